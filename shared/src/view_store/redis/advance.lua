-- Moves the checkpoint when every stream of a page has reached its version, or is parked: then its
-- events up to there are let go, and the retry that unparks it brings them in.
--
-- KEYS[1] checkpoint, KEYS[2] parked streams, KEYS[3] updates, KEYS[4] versions let go, KEYS[5..] views.
-- ARGV from, to, then stream and version for each view.
-- Returns {-1} moved, {-2} no such generation, {-3, checkpoint} it stands somewhere else, else the
-- indices (from 0) of the views that are behind.

local checkpoint = redis.call('GET', KEYS[1])
if not checkpoint then return { -2 } end
if checkpoint ~= ARGV[1] then return { -3, tonumber(checkpoint) } end
local behind, passed = {}, {}
for i = 5, #KEYS do
  local stream, version = ARGV[2 * i - 7], ARGV[2 * i - 6]
  local stored = tonumber(string.match(redis.call('GETRANGE', KEYS[i], 0, 19), '^%d+') or '0')
  if stored < tonumber(version) then
    if redis.call('HEXISTS', KEYS[2], stream) == 0 then
      behind[#behind + 1] = i - 5
    else
      passed[#passed + 1] = { stream, version }
    end
  end
end
if #behind > 0 then return behind end
for _, one in ipairs(passed) do
  local before = tonumber(redis.call('HGET', KEYS[4], one[1]) or '0')
  if tonumber(one[2]) > before then redis.call('HSET', KEYS[4], one[1], one[2]) end
end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', 'c', ARGV[2])
redis.call('SET', KEYS[1], ARGV[2])
return { -1 }
