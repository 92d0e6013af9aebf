-- Says that a manager is alive for all its places in the queues of some names, and hands on what is free there.
-- KEYS, for each name: x: lock, waiters   p: permits, info, waiters   r, w: writer, readers, info, waiters
-- ARGV[1] see clock.lua   ARGV[2], ARGV[3] see deadline.lua   ARGV[4..] the mode of each name
-- Returns for each name: 0 when the manager's places were dropped and have to be taken again; else the tokens, joined
--   by commas, of its waiters for whom a place is reserved: their wake-up may have been missed; WRONGTYPE when its keys hold something else.

-- include clock.lua
-- include deadline.lua
-- include hold.lua
-- include waiters.lua

local function step(k)
  if not call('ZSCORE', k.waiters, 'f' .. MANAGER) then
    return 0
  end
  enter(k, 'f' .. MANAGER, ALIVE_MS)
  handOn(k)
  local reserved = {}
  for _, member in ipairs(call('ZRANGEBYSCORE', k.waiters, '(' .. now, QUEUE)) do
    local owner, manager = match(member, '^r(.*):(%x+)$')
    if manager == MANAGER then
      reserved[#reserved + 1] = owner
    end
  end
  return table.concat(reserved, ',')
end

local replies = {}
local at = 1
for arg = 4, #ARGV do
  local k
  k, at = keysOf(ARGV[arg], at)
  replies[#replies + 1] = alone(step, k)
end
replies[#replies + 1] = now
return replies
