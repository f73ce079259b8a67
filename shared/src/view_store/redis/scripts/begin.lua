-- Adds an empty generation as the one that is being made, if there is none. A pointer without a
-- description counts as none: a flush can leave such a pointer behind.
-- Returns 1 when it is added.

local made = redis.call('GET', building)
if made and redis.call('HEXISTS', generations, made) == 1 then return 0 end
redis.call('HSET', generations, id, description)
redis.call('SET', checkpoint, 0)
redis.call('SET', building, id)
return 1
