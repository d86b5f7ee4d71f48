-- Sends the requests of a file in turn. The file holds, for each, its length on a line of its own and its bytes.
local requests = {}
local file = assert(io.open(os.getenv("REQUESTS"), "rb"))
for line in function() return file:read("*l") end do
  requests[#requests + 1] = file:read(tonumber(line))
end
file:close()

local turn = 0
function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests": %d, "microseconds": %d, "p50": %.1f, "p99": %.1f, "not_2xx": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
