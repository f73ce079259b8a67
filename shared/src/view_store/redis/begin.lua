-- Adds an empty generation as the one that is being made, if there is none.
--
-- KEYS building, generations, checkpoint. ARGV id, description. Returns 1 when it is added.

if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('SET', KEYS[3], 0)
redis.call('SET', KEYS[1], ARGV[1])
return 1
