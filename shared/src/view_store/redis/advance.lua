-- Moves the checkpoint when every stream of a page has reached its version, or is parked.
--
-- KEYS[1] checkpoint, KEYS[2] parked streams, KEYS[3] updates, KEYS[4..] views. ARGV from, to, then stream and version
-- for each view.
-- Returns {-1} moved, {-2} no such generation, {-3, checkpoint} it stands somewhere else, else the
-- indices (from 0) of the views that are behind.

local checkpoint = redis.call('GET', KEYS[1])
if not checkpoint then return { -2 } end
if checkpoint ~= ARGV[1] then return { -3, tonumber(checkpoint) } end
local behind = {}
for i = 4, #KEYS do
  local stream, version = ARGV[2 * i - 5], tonumber(ARGV[2 * i - 4])
  local stored = tonumber(string.match(redis.call('GETRANGE', KEYS[i], 0, 19), '^%d+') or '0')
  if stored < version and redis.call('HEXISTS', KEYS[2], stream) == 0 then behind[#behind + 1] = i - 4 end
end
if #behind > 0 then return behind end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', 'c', ARGV[2])
redis.call('SET', KEYS[1], ARGV[2])
return { -1 }
