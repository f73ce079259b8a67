-- Takes or renews the lease of a generation.
--
-- KEYS checkpoint, lease. ARGV holder, term in milliseconds. Returns 1 when the holder has it.
-- A lease of more than two terms is from before the server's clock was set back.

if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] and redis.call('PTTL', KEYS[2]) <= 2 * tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
