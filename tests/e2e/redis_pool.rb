# Asks as Ruby's users do, from threads that share a pool of connections: ruby redis_pool.rb PORT TOKEN
require "connection_pool"
require "json"
require "redis"

port, token = ARGV
pool = ConnectionPool.new(size: 4) { Redis.new(port: port.to_i, password: token) }
pool.with { |client| client.call("RESET", "ruby") }
first = pool.with { |client| client.call("ALLOW", "ruby", 10) }
error = begin
  pool.with { |client| client.call("ALLOW", "ruby", "x") }
rescue Redis::CommandError => fault
  fault.message
end
answers = pool.with do |client|
  client.pipelined { |pipeline| 10_000.times { pipeline.call("ALLOW", "ruby-pipeline") } }
end
shared = Array.new(16) do
  Thread.new { Array.new(25) { pool.with { |client| client.call("ALLOW", "ruby-pool") } } }
end.flat_map(&:value)
throttle, ping = pool.with { |client| [client.call("CL.THROTTLE", "ruby", 15, 30, 60), client.ping] }
puts JSON.generate(name: "ruby", first: first, error: error, answers: answers.size,
                   allowed: answers.count { |answer| answer[0].zero? },
                   pooled: shared.count { |answer| answer[0].zero? }, throttle: throttle, ping: ping)
