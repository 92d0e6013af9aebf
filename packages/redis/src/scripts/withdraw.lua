-- A manager waits no more, or was woken for nothing: takes its place away, and wakes the next one if there is room.
-- KEYS x: lock, waiters   p: permits, info, waiters   r, w: writer, readers, info, waiters
-- ARGV[1] see clock.lua   ARGV[2] mode   ARGV[3] the manager's place among the waiters, or ''
-- Returns {1, the time}.

-- include clock.lua
-- include hold.lua
-- include waiters.lua

local k = keysOf(ARGV[2], 1)
call('ZREM', k.waiters, ARGV[3])
handOn(k)
return { 1, now }
