-- Notes up to which version events of parked streams were let go: a stream is parked until its view
-- was brought there from the log.
--
-- Behind the layout (let_go.rs): stream and version, again and again.
-- Returns for each 1, or 0 where the stream is not parked.

local answers = {}
for i = NEXT_ARGUMENT, #ARGV, 2 do
  local stream, version = ARGV[i], tonumber(ARGV[i + 1])
  if redis.call('HEXISTS', parked, stream) == 0 then
    answers[#answers + 1] = 0
  else
    local before = tonumber(redis.call('HGET', let_go, stream) or '0')
    if version > before then redis.call('HSET', let_go, stream, ARGV[i + 1]) end
    answers[#answers + 1] = 1
  end
end
return answers
