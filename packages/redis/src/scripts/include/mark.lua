-- Completion marks, by the server's clock. Part of the step scripts; needs clock.lua. Never run alone.
--
-- Many marks share two keys: a hash of name -> `owner:set at:ends at:label`, times in ms, and a sorted set of name -> ends at, by which
-- those that have ended are found without a look at those that stand. Redis itself finds expired keys by chance only.

local SWEPT_PER_SET = 16

local function sweepMarks(ends, marks)
  for _, name in ipairs(call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, SWEPT_PER_SET)) do
    call('HDEL', marks, name)
    call('ZREM', ends, name)
  end
end

-- owner, set at, ends at and label of a mark that stands; else nil.
local function markOf(marks, name)
  local owner, setAt, endsAt, label = string.match(call('HGET', marks, name) or '', '^(%x*):(%d+):(%d+):(.*)$')
  if owner and tonumber(endsAt) > now then
    return owner, tonumber(setAt), tonumber(endsAt), label
  end
  return nil
end

-- `age left label`. A label may have a zero in it, where %s would end it.
local function toldMark(setAt, endsAt, label)
  return string.format('%.0f %.0f ', now - setAt, endsAt - now) .. label
end
