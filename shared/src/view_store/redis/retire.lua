-- Begins the removal of a generation, unless it is live: from now on nothing is written to it, and
-- it can't go live. Its description stays until all its keys are gone.
--
-- KEYS live, building, checkpoint. ARGV id. Returns 1 when it is retired.

if redis.call('GET', KEYS[1]) == ARGV[1] then return 0 end
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
redis.call('DEL', KEYS[3])
return 1
