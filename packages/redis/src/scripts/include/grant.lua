-- One attempt at one hold. Part of the step scripts; needs fence.lua, hold.lua and waiters.lua. Never run alone.

-- The fence with which it was granted, a text, '0' for permits; a number when busy (see busy); 'WRONGTYPE' when the lock's
-- key holds something else than a lock; 'FENCE' when that of the fence holds none.
local function try(k, fenceKey, mode, owner, ttl, label, permits, limit)
  sweep(k)
  local fence = found(k, mode, owner)
  if fence and fence ~= '0' then
    -- Asked twice: the same grant, and it lasts as long as the second request says.
    prolong(k, mode, owner, ttl)
    return mode == 'p' and '0' or fence
  end
  if not fence then
    if call('EXISTS', k.waiters) == 1 then
      dropExpired(k)
      if liveHead(k) then
        handOn(k)
        return busy(k, mode, permits, limit)
      end
      local intent = mode == 'r' and writersWaitFor(k) or 0
      if intent > 0 then
        -- It may be free all the same: the readers' turn has passed, and no writer was told.
        handOn(k)
        return -2 - intent
      end
    end
    if not fits(k, mode, permits, limit) then
      if mode == 'x' and call('TYPE', k.hold).ok ~= 'string' then
        return 'WRONGTYPE'
      end
      return busy(k, mode, permits, limit)
    end
  end
  local new = '1'
  if mode ~= 'p' then
    new = nextFence(fenceKey)
    if not new then
      return 'FENCE'
    end
  end
  place(k, mode, owner, permits, ttl, new, label)
  leave(k, owner, '', false)
  return mode == 'p' and '0' or new
end
