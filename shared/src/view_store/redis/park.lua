-- Notes that a stream can't be applied from a version on, unless its view has reached that version.
--
-- KEYS[1] checkpoint, KEYS[2] parked streams, KEYS[3] versions let go, KEYS[4] updates, KEYS[5] the view.
-- ARGV stream, version, note, highest version let go.
-- Returns 1 parked, 0 the view is there already, -2 no such generation.

if redis.call('EXISTS', KEYS[1]) == 0 then return -2 end
local stored = tonumber(string.match(redis.call('GETRANGE', KEYS[5], 0, 19), '^%d+') or '0')
if stored >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
local before = tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or '0')
if tonumber(ARGV[4]) > before then redis.call('HSET', KEYS[3], ARGV[1], ARGV[4]) end
redis.call('XADD', KEYS[4], 'MAXLEN', '~', 10000, '*', 'p', ARGV[1])
return 1
