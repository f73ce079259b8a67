-- Applies changes to the views of many streams, and to all sums and lists that they touch: each sum is
-- written once with what it changes by in all, each list once.
--
-- Behind the layout (apply_batch.rs): the keys of the views, of records and of lists; the streams, and
-- four counted groups. Returns for each stream -1 applied, -4 left out as it is parked, else the version
-- that is stored, and it was left out. {-2} no such generation; {-3} a sum comes near the end of its
-- range, and nothing was applied: apply one by one.
-- Nothing fails after the first write. A number of Lua is exact up to 2^53 only: larger sums are added
-- to by Redis, and the deltas of a batch are smaller by far.

local call = redis.call
if call('EXISTS', checkpoint) == 0 then return { -2 } end
local n = tonumber(streams)
local VIEW, FIRST = NEXT_KEY - 1, NEXT_ARGUMENT
local at = FIRST + 5 * n
local names, outcomes, applies, all = {}, {}, {}, true

-- Of stream i: base, to, document, name, position.
local function of(i) return FIRST + 5 * (i - 1) end
for i = 1, n do names[i] = ARGV[of(i) + 3] end
local notes = call('EXISTS', parked) == 1 and call('HMGET', parked, unpack(names)) or {}
for i = 1, n do
  local stored = tonumber(string.match(call('GETRANGE', KEYS[VIEW + i], 0, 19), '^%d+') or '0')
  if stored ~= tonumber(ARGV[of(i)]) then
    outcomes[i] = stored
  elseif notes[i] then
    outcomes[i] = -4
  else
    outcomes[i], applies[i] = -1, true
  end
  all = all and applies[i]
end

-- The sum of a field's parts, of streams that apply; nil where there is none.
local function sum(parts)
  local total
  for i = at, at + 2 * parts - 2, 2 do
    if all or applies[tonumber(ARGV[i])] then total = (total or 0) + tonumber(ARGV[i + 1]) end
  end
  at = at + 2 * parts
  return total
end

-- What is written to each key: first all is read, then all is written.
local records, adds, removes = {}, {}, {}
local function into(lists, key)
  local list = lists[key]
  if not list then
    list = {}
    lists[key] = list
  end
  return list
end

local count = tonumber(ARGV[at])
at = at + 1
for _ = 1, count do
  local record, fields = KEYS[tonumber(ARGV[at])], tonumber(ARGV[at + 1])
  at = at + 2
  local asked, deltas, ranks = {}, {}, {}
  for _ = 1, fields do
    local name, list, member, zeros, parts = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], tonumber(ARGV[at + 4])
    at = at + 5
    local delta = sum(parts)
    if delta then
      local k = #asked + 1
      asked[k], deltas[k] = name, delta
      if list ~= '0' then ranks[k] = { KEYS[tonumber(list)], member, zeros == '1' } end
    end
  end
  if #asked > 0 then
    local before = call('HMGET', record, unpack(asked))
    for k = 1, #asked do
      if before[k] and #before[k] > 18 then return { -3 } end
    end
    records[#records + 1] = { record, asked, deltas, ranks, before }
  end
end

local texts = {}
count = tonumber(ARGV[at])
at = at + 1
-- By bytes: Lua's own comparison follows the server's locale.
local function greater(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x > y end
  end
  return #a > #b
end
for _ = 1, count do
  local record, fields = KEYS[tonumber(ARGV[at])], tonumber(ARGV[at + 1])
  at = at + 2
  for _ = 1, fields do
    local name, parts = ARGV[at], tonumber(ARGV[at + 1])
    at = at + 2
    local greatest = call('HGET', record, name)
    local changed = false
    for i = at, at + 2 * parts - 2, 2 do
      if (all or applies[tonumber(ARGV[i])]) and (not greatest or greater(ARGV[i + 1], greatest)) then
        greatest, changed = ARGV[i + 1], true
      end
    end
    at = at + 2 * parts
    if changed then texts[#texts + 1] = { record, name, greatest } end
  end
end

for _, list in ipairs({ removes, adds }) do
  count = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, count do
    local members, parts = into(list, KEYS[tonumber(ARGV[at])]), tonumber(ARGV[at + 1])
    at = at + 2
    for i = at, at + 2 * parts - 2, 2 do
      if all or applies[tonumber(ARGV[i])] then members[#members + 1] = ARGV[i + 1] end
    end
    at = at + 2 * parts
  end
end

-- From here on it writes. A list that is sorted by a sum has the sum's 19 digits in front.
local function ranked(value, member) return string.rep('0', 19 - #value) .. value .. member end
for _, record in ipairs(records) do
  local key, asked, deltas, ranks, before = unpack(record)
  local set = {}
  for k = 1, #asked do
    local old = before[k] or '0'
    local new
    if #old <= 15 then
      new = string.format('%.0f', tonumber(old) + deltas[k])
      set[#set + 1] = asked[k]
      set[#set + 1] = new
    else
      call('HINCRBY', key, asked[k], string.format('%.0f', deltas[k]))
      new = call('HGET', key, asked[k])
    end
    local rank = ranks[k]
    if rank then
      local leave, enter = into(removes, rank[1]), into(adds, rank[1])
      leave[#leave + 1] = ranked(old, rank[2])
      if new ~= '0' or rank[3] then enter[#enter + 1] = ranked(new, rank[2]) end
    end
  end
  if #set > 0 then call('HSET', key, unpack(set)) end
end
for _, text in ipairs(texts) do call('HSET', unpack(text)) end

-- `unpack` has room for a few thousand values.
local PART = 1000
for key, members in pairs(removes) do
  for first = 1, #members, PART do
    call('ZREM', key, unpack(members, first, math.min(first + PART - 1, #members)))
  end
end
for key, members in pairs(adds) do
  for first = 1, #members, PART do
    local scored = {}
    for i = first, math.min(first + PART - 1, #members) do
      scored[#scored + 1] = 0
      scored[#scored + 1] = members[i]
    end
    call('ZADD', key, unpack(scored))
  end
end

local views, told, highest = {}, {}, 0
for i = 1, n do
  if applies[i] then
    local first = of(i)
    views[#views + 1] = KEYS[VIEW + i]
    views[#views + 1] = ARGV[first + 1] .. ' ' .. ARGV[first + 2]
    told[#told + 1] = ARGV[first + 3] .. ' ' .. ARGV[first + 1]
    highest = math.max(highest, tonumber(ARGV[first + 4]))
  end
end
if #views > 0 then
  call('MSET', unpack(views))
  call('XADD', updates, 'MAXLEN', '~', UPDATES_KEPT, '*', 'a', table.concat(told, ' '))
  if highest > tonumber(call('GET', applied) or '0') then
    call('SET', applied, string.format('%.0f', highest))
  end
end
return outcomes
