-- Moves the checkpoint when every stream of a page has reached its version, or is parked: then its
-- events up to there are let go, and the retry that unparks it brings them in.
--
-- Behind the layout (advance.rs): the view of each stream; its name and version.
-- Returns {-1} moved, {-2} no such generation, {-3, checkpoint} it stands somewhere else, else the
-- indices (from 0) of the views that are behind.

local stands = redis.call('GET', checkpoint)
if not stands then return { -2 } end
if stands ~= from then return { -3, tonumber(stands) } end
local behind, passed = {}, {}
for i = NEXT_KEY, #KEYS do
  local at = NEXT_ARGUMENT + 2 * (i - NEXT_KEY)
  local stream, version = ARGV[at], ARGV[at + 1]
  local stored = tonumber(string.match(redis.call('GETRANGE', KEYS[i], 0, 19), '^%d+') or '0')
  if stored < tonumber(version) then
    if redis.call('HEXISTS', parked, stream) == 0 then
      behind[#behind + 1] = i - NEXT_KEY
    else
      passed[#passed + 1] = { stream, version }
    end
  end
end
if #behind > 0 then return behind end
for _, one in ipairs(passed) do
  local before = tonumber(redis.call('HGET', let_go, one[1]) or '0')
  if tonumber(one[2]) > before then redis.call('HSET', let_go, one[1], one[2]) end
end
redis.call('XADD', updates, 'MAXLEN', '~', UPDATES_KEPT, '*', 'c', to)
redis.call('SET', checkpoint, to)
return { -1 }
