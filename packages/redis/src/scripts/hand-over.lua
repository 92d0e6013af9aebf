-- Hands a lock or a writer's hold on from its owner to the next waiter of the same manager, unless others wait and this manager has done so for
-- a while. The release of the owner comes right behind, and does what this leaves undone.
-- KEYS x: lock, waiters, fence   w: writer, readers, info, waiters, fence
-- ARGV[1] see clock.lua   ARGV[2], ARGV[3] see deadline.lua
-- ARGV[4] mode   ARGV[5] owner token   ARGV[6] the next one's mode   ARGV[7] its token   ARGV[8] its ttl ms (guard included)   ARGV[9] its label
-- Returns {the answer to the next one as acquire.lua gives it, -1 when it was not granted; the time}.

-- include clock.lua
-- include deadline.lua
-- include fence.lua
-- include hold.lua
-- include waiters.lua

-- By the server's clock, so that no manager can have more by its own.
local TURN_MS = 100

local mode, owner, nextMode, nextOwner, ttl = ARGV[4], ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8])
local k = keysOf(mode, 1)

local function othersWait()
  dropExpired(k)
  if not liveHead(k) then
    return false
  end
  for _, member in ipairs(call('ZRANGEBYSCORE', k.waiters, QUEUE, '+inf')) do
    local other = placeOf(member)
    if other and other.id ~= MANAGER and call('ZSCORE', k.waiters, 'f' .. other.id) then
      return true
    end
  end
  return false
end

-- Whether this manager may go on. Its turn begins when it first hands on to itself while others wait.
local function mayGoOn()
  if call('EXISTS', k.waiters) == 0 then
    return true
  end
  local turn = 't' .. MANAGER
  if not othersWait() then
    call('ZREM', k.waiters, turn)
    return true
  end
  local ends = tonumber(call('ZSCORE', k.waiters, turn))
  if not ends then
    call('ZADD', k.waiters, string.format('%.0f', now + TURN_MS), turn)
  elseif ends <= now then
    call('ZREM', k.waiters, turn)
    return false
  end
  return true
end

sweep(k)
local fence = found(k, nextMode, nextOwner)
if fence then
  -- Asked twice.
  prolong(k, nextMode, nextOwner, ttl)
  return { fence, now }
end
local held = found(k, mode, owner)
if not held or held == '0' or not mayGoOn() then
  return { -1, now }
end
fence = nextFence(k.fence)
if not fence then
  return { -1, now }
end
drop(k, mode, owner)
place(k, nextMode, nextOwner, 1, ttl, fence, ARGV[9])
leave(k, owner, '', false)
if nextMode == 'r' then
  handOn(k)
end
return { fence, now }
