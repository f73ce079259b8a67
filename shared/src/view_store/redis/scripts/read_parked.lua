-- Reads a page of the notes of parked streams, by the bytes of the streams' names.
--
-- `names` has the streams of `parked`, sorted. A worker of a build that kept no `names` leaves them
-- incomplete: they are made again of the names alone, which happens once after such a worker wrote.
-- Returns how many streams are parked, 1 where others follow behind the page, and its notes, each with
-- the highest version that was let go at the same place of another list.

local function make_names()
  redis.call('DEL', names)
  for _, stream in ipairs(redis.call('HKEYS', parked)) do redis.call('ZADD', names, 0, stream) end
end

local most, room = tonumber(limit), tonumber(max_bytes)
local function page()
  local notes, passed, more, bytes, complete = {}, {}, 0, 0, true
  local streams = redis.call('ZRANGE', names, from, '+', 'BYLEX', 'LIMIT', 0, most + 1)
  for _, stream in ipairs(streams) do
    local note = redis.call('HGET', parked, stream)
    if note then
      bytes = bytes + #note
      if #notes >= most or (#notes > 0 and bytes > room) then
        more = 1
        break
      end
      notes[#notes + 1] = note
      passed[#passed + 1] = redis.call('HGET', let_go, stream) or '0'
    else
      complete = false
    end
  end
  return notes, passed, more, complete
end

local total, lives = redis.call('HLEN', parked), redis.call('EXISTS', checkpoint) == 1
if lives and redis.call('ZCARD', names) ~= total then make_names() end
local notes, passed, more, complete = page()
if lives and not complete then
  make_names()
  notes, passed, more = page()
end
return { total, more, notes, passed }
