-- Notes that a stream can't be applied from a version on, unless its view has reached that version.
-- Returns 1 parked, 0 the view is there already, -2 no such generation.

if redis.call('EXISTS', checkpoint) == 0 then return -2 end
local stored = tonumber(string.match(redis.call('GETRANGE', view, 0, 19), '^%d+') or '0')
if stored >= tonumber(version) then return 0 end
redis.call('HSET', parked, stream, note)
redis.call('ZADD', names, 0, stream)
local before = tonumber(redis.call('HGET', let_go, stream) or '0')
if tonumber(passed) > before then redis.call('HSET', let_go, stream, passed) end
redis.call('XADD', updates, 'MAXLEN', '~', UPDATES_KEPT, '*', 'p', stream)
return 1
