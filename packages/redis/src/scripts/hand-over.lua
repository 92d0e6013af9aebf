-- Frees a lock or a writer's hold, and hands it on to the next waiter of the same manager, unless others wait and this manager has handed on to
-- itself for a while.
-- KEYS x: lock, waiters, fence   w: writer, readers, info, waiters, fence
-- ARGV[1] see clock.lua   ARGV[2], ARGV[3] see deadline.lua
-- ARGV[4] `mode token last mode token ttl label`: a letter, 32 digits and 1 if the owner's place is the manager's last one for this name, else 0; a
--   letter, 32 digits, ttl in ms (guard included) and label of the next one. One argument, see acquire.lua
-- ARGV[5] the owner's place in the queue, '' if it has none
-- Returns {the fencing token with which it was handed on, a text; -1 when it was the owner's and was freed; -2 when it was not; the time}.

-- include clock.lua
-- include deadline.lua
-- include fence.lua

local text, member = ARGV[4], ARGV[5]
local mode, owner, last = string.sub(text, 1, 1), string.sub(text, 3, 34), string.sub(text, 36, 36) == '1'
local nextMode, nextOwner = string.sub(text, 38, 38), string.sub(text, 40, 71)
local afterTtl = string.find(text, ' ', 73, true)
local ttl, label = string.sub(text, 73, afterTtl - 1), string.sub(text, afterTtl + 1)

-- One lock for which nobody stands in the queue, the common case: before anything else is set up. See waiters.lua for what it leaves there.
local isAlone = mode == 'x' and nextMode == 'x' and owner ~= nextOwner and member == '' and not last
local isKnown = isAlone and call('EXISTS', KEYS[2]) == 1
if isAlone and not (isKnown and call('ZRANGEBYSCORE', KEYS[2], '100000000000000', '+inf', 'LIMIT', 0, 1)[1]) then
  local held = redis.pcall('GET', KEYS[1])
  if type(held) == 'string' and string.sub(held, 1, #owner + 1) == owner .. ':' then
    local fence = nextFence(KEYS[3])
    if fence then
      call('SET', KEYS[1], nextOwner .. ':' .. fence .. ':' .. label, 'PX', ttl)
      if isKnown then
        local manager = string.sub(ARGV[1], 2)
        call('ZREM', KEYS[2], 'g' .. owner .. ':' .. manager, 't' .. manager)
      end
      return { fence, now }
    end
  end
end

-- include hold.lua
-- include waiters.lua

-- By the server's clock, so that no manager can have more by its own.
local TURN_MS = 100

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

-- What is freed is freed, whether or not others can be notified: see release.lua.
local function leaveQueue(handsOn)
  leave(k, owner, member, last)
  if handsOn then
    handOn(k)
  end
end

sweep(k)
local fence = found(k, nextMode, nextOwner)
if fence then
  -- Asked twice.
  prolong(k, nextMode, nextOwner, tonumber(ttl))
  return { fence, now }
end
local held = found(k, mode, owner)
fence = held and held ~= '0' and mayGoOn() and nextFence(k.fence)
local wasOurs = drop(k, mode, owner) == 1
if fence then
  place(k, nextMode, nextOwner, 1, tonumber(ttl), fence, label)
end
-- Other readers fit beside one.
pcall(leaveQueue, not fence or nextMode == 'r')
return { fence or wasOurs and -1 or -2, now }
