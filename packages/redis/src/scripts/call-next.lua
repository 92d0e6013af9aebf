-- Wakes who waits for a lock whose slot is being moved to another node, by the key of the waiters alone: see take-moving.lua.
-- KEYS[1] waiters
-- ARGV[1] see clock.lua   ARGV[2] the lock's key
-- Returns {1, the time}.

-- include clock.lua
-- include hold.lua
-- include waiters.lua

pcall(handOn, { hold = ARGV[2], waiters = KEYS[1] }, 'x')
return { 1, now }
