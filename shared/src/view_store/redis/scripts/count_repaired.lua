-- Adds to how many views of a generation were repaired.
-- Returns 1, or 0 when the generation is gone.

if redis.call('EXISTS', checkpoint) == 0 then return 0 end
redis.call('INCRBY', repaired, count)
return 1
