-- One attempt at one hold. Part of the step scripts; needs fence.lua, hold.lua and waiters.lua. Never run alone.
-- Answers with the fence with which it was granted, a text, '0' for permits; a number when busy (see busy); 'WRONGTYPE' when the lock's
-- key holds something else than a lock; 'FENCE' when that of the fence holds none.

local function refuse(k, mode, permits, limit)
  if mode == 'x' and isTaken(k.hold) and call('TYPE', k.hold).ok ~= 'string' then
    return 'WRONGTYPE'
  end
  return busy(k, mode, permits, limit)
end

local function grant(k, mode, owner, ttl, label, permits, limit)
  local new = fenceOfClock
  if mode ~= 'p' then
    new = nextFence(k.fence)
    if not new then
      return 'FENCE'
    end
  end
  place(k, mode, owner, permits, ttl, new, label, limit)
  leave(k, owner, '', false)
  return mode == 'p' and '0' or new
end

-- What the owner has already: the same grant, which lasts as long as this request says, never shorter than it has; but for what it was
-- granted for a while and has not begun with, as its time to live is too short for that. nil when it has nothing.
local function again(k, mode, owner, ttl)
  sweep(k)
  local fence, permits = found(k, mode, owner)
  if not fence or fence == '0' then
    return nil
  end
  if ttl >= LEAST_TTL_MS or not call('ZSCORE', k.waiters, 'g' .. owner .. ':' .. MANAGER) then
    prolong(k, mode, owner, ttl)
  elseif mode == 'x' or mode == 'w' then
    call('PEXPIRE', k.hold, string.format('%.0f', ttl))
  else
    mark(k, mode, owner, permits, ttl)
  end
  leave(k, owner, '', false)
  return mode == 'p' and '0' or fence
end

local function try(k, mode, owner, ttl, label, permits, limit)
  local reply = again(k, mode, owner, ttl)
  if reply then
    return reply
  end
  if not found(k, mode, owner) then
    if call('EXISTS', k.waiters) == 1 then
      dropExpired(k)
      if liveHead(k) then
        handOn(k)
        return refuse(k, mode, permits, limit)
      end
    end
    if not fits(k, mode, permits, limit) then
      return refuse(k, mode, permits, limit)
    end
  end
  return grant(k, mode, owner, ttl, label, permits, limit)
end
