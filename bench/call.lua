-- Posts bodies in turn and prints one line of JSON at the end.
-- Arguments: body=COUNT:FILE (sent COUNT times in each turn), tokens=FILE (one a line, each sent
-- once), calls=N (stop after so many answers). Every call gets a hookInstance of its own.

local MARK = "999999999999"
local bodies, turn = {}, {}
local tokens = nil
local most = math.huge
local sent, answered = 0, 0
local first = (os.time() % 1000000) * 1000000

local function content(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read("*a")
    file:close()
    return text
end

local function take_body(count, path)
    local text = content(path)
    local from, to = text:find(MARK, 1, true)
    bodies[#bodies + 1] = { text:sub(1, from - 1), text:sub(to + 1) }
    for _ = 1, count do
        turn[#turn + 1] = #bodies
    end
end

function init(arguments)
    for _, argument in ipairs(arguments) do
        local name, value = argument:match("^(%a+)=(.*)$")
        if name == "body" then
            local count, path = value:match("^(%d+):(.*)$")
            take_body(tonumber(count), path)
        elseif name == "tokens" then
            tokens = {}
            for token in content(value):gmatch("%S+") do
                tokens[#tokens + 1] = token
            end
        elseif name == "calls" then
            most = tonumber(value)
        end
    end
end

function request()
    sent = sent + 1
    local body = bodies[turn[(sent - 1) % #turn + 1]]
    local headers = { ["Content-Type"] = "application/json" }
    if tokens then
        headers["Authorization"] = "Bearer " .. tokens[sent]
    end
    local number = string.format("%012d", first + sent)
    return wrk.format("POST", nil, headers, body[1] .. number .. body[2])
end

function response()
    answered = answered + 1
    if answered == most then
        wrk.thread:stop()
        -- Wrk itself would wait for the end of its time; while it waits for the shell it is deaf.
        os.execute("(sleep 0.1; kill -INT $PPID) &")
    end
end

function done(summary, latency)
    local errors = summary.errors
    print(string.format(
        '{"answers": %d, "seconds": %.6f, "median_ms": %.4f, "p99_ms": %.4f, "failures": %d}',
        summary.requests, summary.duration / 1e6,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
