-- Takes or renews the lease of a generation.
-- Returns 1 when the holder has it.
-- A lease of more than two terms is from before the server's clock was set back.

if redis.call('EXISTS', checkpoint) == 0 then return 0 end
local now = redis.call('GET', lease)
if now and now ~= holder and redis.call('PTTL', lease) <= 2 * tonumber(term) then return 0 end
redis.call('SET', lease, holder, 'PX', term)
return 1
