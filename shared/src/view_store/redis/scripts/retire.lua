-- Begins the removal of a generation, unless it is live: from now on nothing is written to it, and
-- it can't go live. Its description stays until all its keys are gone.
-- Returns 1 when it is retired.

if redis.call('GET', live) == id then return 0 end
if redis.call('GET', building) == id then redis.call('DEL', building) end
redis.call('DEL', checkpoint)
return 1
