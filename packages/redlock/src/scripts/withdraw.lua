-- A manager waits no more, or was woken for nothing: takes its name away, and wakes the next one if there is room.
-- KEYS[1] marker, then the keys of the name, see hold.lua
-- ARGV[1] see node.lua   ARGV[2] `mode permits limit`
-- Returns {1, the time}.

-- include node.lua
-- include hold.lua
-- include waiters.lua

local mode, permits, limit = match(ARGV[2], '^(%a) (%d+) (%d+)$')
local k = keysOf(mode, 2)
sweep(k)
leave(k, mode, permits, limit)
wake(k, mode, nil, false)
return { 1, now }
