-- Applies the first events of a batch of streams to their views, lists and records; or nothing.
--
-- KEYS[1] highest position applied, KEYS[2] updates, KEYS[3] list of products by units sold, then the
-- views, the other lists and the records, each once.
-- ARGV    position, names of the streams, number of views, then
--         for each view      its document
--         number of lists, and for each
--                            how many arguments of ZADD follow, and these
--         number of records, and for each
--                            number of sums, (field, delta) for each,
--                            a member that is ranked by the sum behind it, or '', and which sum that is,
--                            number of texts, (field, text) for each: the greater text stays
--
-- Returns the indices (from 1) of streams that have a view already; none when all was applied.

local key, at = 3, 0
local function take()
  at = at + 1
  return ARGV[at]
end
local function count() return tonumber(take()) end
local function next_key()
  key = key + 1
  return KEYS[key]
end

local position, streams, views = take(), take(), count()
local stored = redis.call('MGET', unpack(KEYS, 4, 3 + views))
local stale = {}
for i = 1, views do
  if stored[i] then stale[#stale + 1] = i end
end
if #stale > 0 then return stale end

local documents = {}
for i = 1, views do
  documents[2 * i - 1] = next_key()
  documents[2 * i] = take()
end
redis.call('MSET', unpack(documents))

for _ = 1, count() do
  local list, size = next_key(), count()
  redis.call('ZADD', list, unpack(ARGV, at + 1, at + size))
  at = at + size
end

local gone, come = {}, {}
local function rank(value, member) return string.format('%019.0f', value) .. member end

for _ = 1, count() do
  local record, sums = next_key(), count()
  local fields, with = {}, {}
  for i = 1, sums do
    fields[i], with[i] = take(), take()
  end
  local member, ranked, texts = take(), count(), count()
  for i = sums + 1, sums + texts do
    fields[i], with[i] = take(), take()
  end
  local kept, new = redis.call('HMGET', record, unpack(fields)), {}
  for i = 1, sums + texts do
    local value = with[i]
    if i <= sums then
      local before = tonumber(kept[i] or '0')
      local after = before + tonumber(value)
      value = string.format('%.0f', after)
      if i == ranked then
        if before ~= 0 then gone[#gone + 1] = rank(before, member) end
        come[#come + 1] = '0'
        come[#come + 1] = rank(after, member)
      end
    elseif kept[i] and kept[i] > value then
      value = kept[i]
    end
    new[2 * i - 1], new[2 * i] = fields[i], value
  end
  redis.call('HSET', record, unpack(new))
end
if #gone > 0 then redis.call('ZREM', KEYS[3], unpack(gone)) end
if #come > 0 then redis.call('ZADD', KEYS[3], unpack(come)) end

redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 's', streams)
redis.call('SET', KEYS[1], position)
return {}
