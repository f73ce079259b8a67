-- Makes a generation live, if the expected one still is and the new one is not being removed.
--
-- KEYS live, building, generations, checkpoint of the new one. ARGV expected ('' for none), new.
-- A live generation without a description counts as none: it could never be replaced otherwise.

local live = redis.call('GET', KEYS[1]) or ''
if live ~= '' and redis.call('HEXISTS', KEYS[3], live) == 0 then live = '' end
if live ~= ARGV[1] or redis.call('HEXISTS', KEYS[3], ARGV[2]) == 0 then return 0 end
if redis.call('EXISTS', KEYS[4]) == 0 then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
if redis.call('GET', KEYS[2]) == ARGV[2] then redis.call('DEL', KEYS[2]) end
return 1
