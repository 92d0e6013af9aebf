-- Frees each hold, and whatever else its owner left; wakes who waits for it. Also for an owner that holds nothing: that
-- undoes a request whose answer was lost.
-- KEYS, for each hold: x: lock, waiters, fence   p: permits, info, waiters   r, w: writer, readers, info, waiters, fence
-- ARGV[1] see clock.lua   ARGV[2..], for each hold: `mode token last place`: a letter, 32 digits, the owner's place in the
--   queue, - if it has none; 1 if it is the manager's last one for this name, else 0
-- Returns for each hold: 1 when it was the owner's, else 0.

-- include clock.lua

local sub = string.sub
-- One lock for which nobody waits, the common case: before anything else is set up.
if not ARGV[3] and sub(ARGV[2], 1, 1) == 'x' and call('EXISTS', KEYS[2]) == 0 then
  local held = redis.pcall('GET', KEYS[1])
  if type(held) == 'string' and sub(held, 1, 33) == sub(ARGV[2], 3, 34) .. ':' then
    call('DEL', KEYS[1])
    return { 1, now }
  end
  return { 0, now }
end

local replies = {}

-- Frees locks for which nobody waits, one look at all. Returns whether that is all.
local function freeAll()
  local locks, waiters, mine = {}, {}, {}
  for i = 1, #ARGV - 1 do
    if sub(ARGV[i + 1], 1, 1) ~= 'x' then
      return false
    end
    locks[i], waiters[i] = KEYS[3 * i - 2], KEYS[3 * i - 1]
  end
  if call('EXISTS', unpack(waiters)) > 0 then
    return false
  end
  for i, held in ipairs(call('MGET', unpack(locks))) do
    -- What is no text seems to be nothing. A second release of the same finds nothing.
    local isMine = held and sub(held, 1, 33) == sub(ARGV[i + 1], 3, 34) .. ':' and not mine[locks[i]]
    if isMine then
      mine[locks[i]] = true
      mine[#mine + 1] = locks[i]
    end
    replies[i] = isMine and 1 or 0
  end
  if mine[1] then
    call('DEL', unpack(mine))
  end
  return true
end
if ARGV[3] and freeAll() then
  replies[#ARGV] = now
  return replies
end

-- include fence.lua
-- include alone.lua
-- include hold.lua
-- include waiters.lua

local function handOnAfter(k, owner, member, last)
  leave(k, owner, member, last)
  handOn(k)
end

local at = 1
for i = 2, #ARGV do
  local mode, owner, last, member = match(ARGV[i], '^(%a) (%S+) (%d) (.*)$')
  local k
  k, at = keysOf(mode, at)
  local reply = alone(drop, k, mode, owner)
  replies[i - 1] = reply == 'WRONGTYPE' and 0 or reply
  -- What was freed is freed, whether or not the next one can be notified: the server may refuse a write when memory is short, or a key of a slot
  -- that is being moved. Each waiter looks by itself.
  pcall(handOnAfter, k, owner, member, last == '1')
end
replies[#ARGV] = now
return replies
