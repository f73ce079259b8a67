-- Adds an empty generation as the one that is being made, if there is none. A pointer without a
-- description counts as none: a flush can leave such a pointer behind.
--
-- KEYS building, generations, checkpoint. ARGV id, description. Returns 1 when it is added.

local building = redis.call('GET', KEYS[1])
if building and redis.call('HEXISTS', KEYS[2], building) == 1 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('SET', KEYS[3], 0)
redis.call('SET', KEYS[1], ARGV[1])
return 1
