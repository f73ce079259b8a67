-- Makes a generation live, if the expected one still is.
--
-- KEYS live, building, generations. ARGV expected ('' for none), new.

local live = redis.call('GET', KEYS[1]) or ''
if live ~= ARGV[1] or redis.call('HEXISTS', KEYS[3], ARGV[2]) == 0 then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
if redis.call('GET', KEYS[2]) == ARGV[2] then redis.call('DEL', KEYS[2]) end
return 1
