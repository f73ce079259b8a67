-- Makes a generation live, if the expected one still is and the new one is not being removed.
-- A live generation without a description counts as none: it could never be replaced otherwise.

local serves = redis.call('GET', live) or ''
if serves ~= '' and redis.call('HEXISTS', generations, serves) == 0 then serves = '' end
if serves ~= expected or redis.call('HEXISTS', generations, new) == 0 then return 0 end
if redis.call('EXISTS', checkpoint) == 0 then return 0 end
redis.call('SET', live, new)
if redis.call('GET', building) == new then redis.call('DEL', building) end
return 1
