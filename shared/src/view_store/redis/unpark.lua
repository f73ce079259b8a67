-- Removes the note of a parked stream, unless more was let go since its log was read.
--
-- KEYS[1] parked streams, KEYS[2] versions let go. ARGV stream, version let go as it was seen before.
-- Returns 1 when the stream is not parked now.

local now = redis.call('HGET', KEYS[2], ARGV[1]) or '0'
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 and now ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
