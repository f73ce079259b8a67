-- Applies one change to the view of one stream, and to all sums and lists it touches; or nothing.
--
-- Behind the layout (apply.rs): the keys of records and lists, and four counted groups of arguments, in
-- which a key is given by its index in KEYS:
--         sums   (record, field, delta, list or 0, member, keep zeros)
--         leave  (list, member)
--         enter  (list, member)
--         texts  (record, field, text); a field keeps the greatest of its texts
--
-- Returns -1 applied, -4 applied and the stream is parked, -2 no such generation, -3 a sum out of range,
-- else the version that is stored. The note of a parked stream stays, its version raised: events behind
-- it may have been let go.
-- Sums come first: where one leaves 64 bits, those before it are set back. Nothing after them can
-- fail. A number of Lua is exact up to 2^53 only, so sums are handled as the text that Redis has.

if redis.call('EXISTS', checkpoint) == 0 then return -2 end
local stored = tonumber(string.match(redis.call('GETRANGE', view, 0, 19), '^%d+') or '0')
if stored ~= tonumber(base) then return stored end

local at = NEXT_ARGUMENT
local function take()
  at = at + 1
  return ARGV[at - 1]
end
local function count() return tonumber(take()) end
local function key() return KEYS[tonumber(take())] end

local function rank(value, member) return string.rep('0', 19 - #value) .. value .. member end

local sums = {}
for i = 1, count() do
  local sum = { record = key(), field = take(), delta = take(), list = count(), member = take(), zeros = take() }
  sum.before = redis.call('HGET', sum.record, sum.field)
  local added = redis.pcall('HINCRBY', sum.record, sum.field, sum.delta)
  if type(added) == 'table' and added.err then
    for j = i - 1, 1, -1 do
      local done = sums[j]
      if done.before then
        redis.call('HSET', done.record, done.field, done.before)
      else
        redis.call('HDEL', done.record, done.field)
      end
    end
    if string.find(added.err, 'overflow', 1, true) then return -3 end
    return added
  end
  sums[i] = sum
end
for _, sum in ipairs(sums) do
  if sum.list > 0 then
    local list = KEYS[sum.list]
    local value = redis.call('HGET', sum.record, sum.field)
    redis.call('ZREM', list, rank(sum.before or '0', sum.member))
    if value ~= '0' or sum.zeros == '1' then redis.call('ZADD', list, 0, rank(value, sum.member)) end
  end
end

for _ = 1, count() do redis.call('ZREM', key(), take()) end
for _ = 1, count() do redis.call('ZADD', key(), 0, take()) end

-- By bytes: Lua's own comparison follows the server's locale. Blocks that are equal are skipped first,
-- as texts of one field mostly begin alike.
local function greater(a, b)
  local at = 1
  while at <= #a and string.sub(a, at, at + 15) == string.sub(b, at, at + 15) do at = at + 16 end
  for i = at, at + 15 do
    local x, y = string.byte(a, i) or -1, string.byte(b, i) or -1
    if x ~= y then return x > y end
  end
  return false
end
for _ = 1, count() do
  local record, field, text = key(), take(), take()
  local kept = redis.call('HGET', record, field)
  if not kept or greater(text, kept) then redis.call('HSET', record, field, text) end
end

if tonumber(position) > tonumber(redis.call('GET', applied) or '0') then
  redis.call('SET', applied, position)
end
redis.call('XADD', updates, 'MAXLEN', '~', UPDATES_KEPT, '*', 's', stream, 'v', to)
redis.call('SET', view, to .. ' ' .. document)
local note = redis.call('HGET', parked, stream)
if not note then return -1 end
local read, raised = pcall(cjson.decode, note)
if read then
  raised.version, raised.build = tonumber(to) + 1, ''
  redis.call('HSET', parked, stream, cjson.encode(raised))
end
return -4
