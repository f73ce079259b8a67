-- Removes the note of a parked stream, unless more was let go since its log was read.
-- Returns 1 when the stream is not parked now.

local now = redis.call('HGET', let_go, stream) or '0'
if redis.call('HEXISTS', parked, stream) == 1 and now ~= seen then return 0 end
redis.call('HDEL', parked, stream)
redis.call('ZREM', names, stream)
redis.call('HDEL', let_go, stream)
return 1
