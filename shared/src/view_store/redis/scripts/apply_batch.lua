-- Applies changes to the views of many streams, and what they add up to: each record and each list is
-- written once. All of it, or nothing.
--
-- Behind the layout (apply_batch.rs): keys and arguments, each taken in its order.
-- Returns {} when all is applied. Else nothing was: {-2} no such generation; {-3} a sum comes near the
-- end of what a number of Lua holds exactly; or pairs of the place of a stream that can't be applied, and
-- the version that its view is at, or -4 where it is parked.
-- All is read before the first write, and nothing fails after it.

local call = redis.call
if call('EXISTS', checkpoint) == 0 then return { -2 } end
local n, key, at = tonumber(streams), NEXT_KEY - 1, NEXT_ARGUMENT - 1

local function next_key()
  key = key + 1
  return KEYS[key]
end
local function take()
  at = at + 1
  return ARGV[at]
end
local function count() return tonumber(take()) end

-- The guards: base, to, document and name of each stream.
local refused, views = {}, {}
local stored = call('MGET', unpack(KEYS, key + 1, key + n))
local any_parked = call('EXISTS', parked) == 1
for i = 1, n do
  local base, to, document, name = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  at = at + 4
  local version = stored[i] and string.match(stored[i], '^%d+') or '0'
  if version ~= base then
    refused[#refused + 1] = i
    refused[#refused + 1] = tonumber(version)
  elseif any_parked and call('HEXISTS', parked, name) == 1 then
    refused[#refused + 1] = i
    refused[#refused + 1] = -4
  end
  views[2 * i - 1] = next_key()
  views[2 * i] = to .. ' ' .. document
end
if #refused > 0 then return refused end

-- Of each record: sums (field, delta), those that a list is sorted by (which sum, member, keep zeros),
-- texts (field, text). A list that is sorted by a sum has the sum's 19 digits in front.
local records, gone, come = {}, {}, {}
local function into(lists, list)
  local members = lists[list]
  if not members then
    members = {}
    lists[list] = members
  end
  return members
end
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
local record_count = count()
for r = 1, record_count do
  local record, sums, ranks, texts = next_key(), count(), count(), count()
  local fields, first = {}, at
  for i = 1, sums + texts do fields[i] = ARGV[first + 2 * i - 1] end
  at = first + 2 * (sums + texts)
  local kept = call('HMGET', record, unpack(fields))
  local set, before, after = {}, {}, {}
  for i = 1, sums do
    local old = kept[i] or '0'
    if #old > 15 then return { -3 } end
    before[i] = tonumber(old)
    after[i] = before[i] + tonumber(ARGV[first + 2 * i])
    set[2 * i - 1], set[2 * i] = fields[i], string.format('%d', after[i])
  end
  for i = sums + 1, sums + texts do
    local text = ARGV[first + 2 * i]
    if kept[i] and not greater(text, kept[i]) then text = kept[i] end
    set[2 * i - 1], set[2 * i] = fields[i], text
  end
  for _ = 1, ranks do
    local list, i, member, zeros = next_key(), count(), take(), take()
    local is_new, is_moved = not kept[i], before[i] ~= after[i]
    if is_moved and not is_new then
      local leave = into(gone, list)
      leave[#leave + 1] = string.format('%019d', before[i]) .. member
    end
    if (is_moved or is_new) and (after[i] ~= 0 or zeros == '1') then
      local enter = into(come, list)
      enter[#enter + 1] = 0
      enter[#enter + 1] = string.format('%019d', after[i]) .. member
    end
  end
  records[2 * r - 1], records[2 * r] = record, set
end

-- From here on it writes. `unpack` has room for a few thousand values.
local PART = 2000
for r = 1, 2 * record_count, 2 do call('HSET', records[r], unpack(records[r + 1])) end
for list, members in pairs(gone) do
  for i = 1, #members, PART do call('ZREM', list, unpack(members, i, math.min(i + PART - 1, #members))) end
end
for list, members in pairs(come) do
  for i = 1, #members, PART do call('ZADD', list, unpack(members, i, math.min(i + PART - 1, #members))) end
end
for _ = 1, count() do
  local list, size = next_key(), count()
  call('ZREM', list, unpack(ARGV, at + 1, at + size))
  at = at + size
end
for _ = 1, count() do
  local list, size = next_key(), count()
  call('ZADD', list, unpack(ARGV, at + 1, at + size))
  at = at + size
end
call('MSET', unpack(views))
call('XADD', updates, 'MAXLEN', '~', UPDATES_KEPT, '*', 'a', told)
if tonumber(position) > tonumber(call('GET', applied) or '0') then call('SET', applied, position) end
return {}
