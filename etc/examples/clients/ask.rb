# ask.rb KEY: may KEY go on? Prints "go on", "wait SECONDS" or "never". Goes on while allowd is down.
require "net/http"

# 0: go on; -1: waiting does not help.
def wait_s(key)
  allowd = Net::HTTP.new("127.0.0.1", 10429)
  allowd.open_timeout = allowd.read_timeout = 0.5
  allowd.max_retries = 0 # else it asks again after a time-out, and both may take a token
  answer = allowd.get("/allow?key=#{URI.encode_www_form_component(key)}")
  answer.code == "429" ? Integer(answer["Retry-After"] || -1) : 0
rescue SystemCallError, IOError, Timeout::Error
  0 # allowd is down
end

seconds = wait_s(ARGV[0])
puts seconds.zero? ? "go on" : seconds.positive? ? "wait #{seconds}" : "never"
