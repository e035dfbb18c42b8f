// golimit: the pattern that allowd follows, as one writes it in Go, behind net/http.
//
// One goroutine owns every bucket. It takes commands from a channel, answers each one
// on the channel that came with it, and has a ticker beside its mailbox. Handlers own nothing.
//
// usage: golimit -listen ADDRESS -limit NAME:BURST:RATE:PERIOD [-limit ...]
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const tick = 100 * time.Millisecond

// How many buckets a tick looks at, to drop those that are full.
const sweepPerTick = 2000

// limit is what a bucket may hold and how it refills, in whole units: a token is so many, and a
// tick brings so many, that neither is ever a fraction.
type limit struct {
	name   string
	burst  int64
	token  int64 // units
	step   int64 // units a tick
	policy string
}

func newLimit(name string, burst, rate int64, period time.Duration) *limit {
	token, step := int64(period), rate*int64(tick)
	g := gcd(token, step)
	seconds := (burst*int64(period) + rate*int64(time.Second) - 1) / (rate * int64(time.Second))
	if seconds < 1 {
		seconds = 1
	}
	return &limit{name, burst, token / g, step / g, fmt.Sprintf("%q;q=%d;w=%d", name, burst, seconds)}
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func (l *limit) full() int64 { return l.burst * l.token }

// ticksUntil says how many ticks bring so many units.
func (l *limit) ticksUntil(units int64) int64 {
	if units <= 0 {
		return 0
	}
	return (units + l.step - 1) / l.step
}

// command asks for tokens of a key's bucket; the reply comes on its channel.
type command struct {
	key    string
	limit  *limit
	tokens int64
	reply  chan reply
}

type reply struct {
	allowed   bool
	remaining int64
	retry     time.Duration
	reset     time.Duration
	next      time.Duration // until there is more quota
}

type bucketID struct {
	key   string
	limit *limit
}

type bucket struct {
	level int64 // units, as of
	at    int64 // this tick
}

// state is the goroutine's own; nobody else sees it.
type state struct {
	buckets map[bucketID]*bucket
	now     int64 // in ticks
}

// run answers commands until there are none to come.
func (s *state) run(commands <-chan command) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	began := time.Now()
	for {
		select {
		case c, open := <-commands:
			if !open {
				return
			}
			c.reply <- s.decide(c)
		case <-ticker.C:
			s.now = int64(time.Since(began) / tick)
			s.sweep()
		}
	}
}

// refill brings a bucket up to now.
func (s *state) refill(b *bucket, l *limit) {
	elapsed := s.now - b.at
	b.at = s.now
	if missing := l.full() - b.level; elapsed >= l.ticksUntil(missing) {
		b.level = l.full()
	} else {
		b.level += elapsed * l.step
	}
}

func (s *state) decide(c command) reply {
	id := bucketID{c.key, c.limit}
	b := s.buckets[id]
	if b == nil {
		b = &bucket{c.limit.full(), s.now}
		s.buckets[id] = b
	} else {
		s.refill(b, c.limit)
	}
	need := c.tokens * c.limit.token
	r := reply{allowed: b.level >= need}
	if r.allowed {
		b.level -= need
	} else {
		r.retry = time.Duration(c.limit.ticksUntil(need-b.level)) * tick
	}
	r.remaining = b.level / c.limit.token
	r.reset = time.Duration(c.limit.ticksUntil(c.limit.full()-b.level)) * tick
	if r.remaining < c.limit.burst {
		r.next = time.Duration(c.limit.ticksUntil((r.remaining+1)*c.limit.token-b.level)) * tick
	}
	return r
}

// sweep drops some of the full buckets, which are as good as none. Go begins to walk a map at
// another place each time, so in the end it comes to all.
func (s *state) sweep() {
	seen := 0
	for id, b := range s.buckets {
		if s.refill(b, id.limit); b.level == id.limit.full() {
			delete(s.buckets, id)
		}
		if seen++; seen == sweepPerTick {
			return
		}
	}
}

// server is the edge: HTTP to commands, replies to HTTP.
type server struct {
	limits   map[string]*limit
	commands chan<- command
	replies  sync.Pool // channels of one reply, used again and again
	bodies   sync.Pool
}

// ask is one exchange with the state's goroutine.
func (s *server) ask(key string, l *limit, tokens int64) reply {
	channel := s.replies.Get().(chan reply)
	s.commands <- command{key, l, tokens, channel}
	r := <-channel
	s.replies.Put(channel)
	return r
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	key, name, tokens := query.Get("key"), query.Get("limit"), int64(1)
	if name == "" {
		name = "default"
	}
	l := s.limits[name]
	if text := query.Get("tokens"); text != "" {
		var err error
		if tokens, err = strconv.ParseInt(text, 10, 32); err != nil || tokens < 0 {
			http.Error(w, "tokens is a whole number", http.StatusBadRequest)
			return
		}
	}
	if r.URL.Path != "/allow" || key == "" || l == nil {
		http.Error(w, "GET /allow?key=K[&tokens=N][&limit=NAME]", http.StatusBadRequest)
		return
	}
	s.answer(w, key, l, tokens, s.ask(key, l, tokens))
}

func ceilSeconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}

func (s *server) answer(w http.ResponseWriter, key string, l *limit, tokens int64, r reply) {
	body := s.bodies.Get().(*[]byte)
	b := (*body)[:0]
	status := http.StatusOK
	// The names are canonical, so the map can be written to as it is.
	header := w.Header()
	header["Cache-Control"] = noStore
	header["Ratelimit-Policy"] = []string{l.policy}
	header["Ratelimit"] = []string{strconv.Quote(l.name) + ";r=" + strconv.FormatInt(r.remaining, 10) +
		";t=" + strconv.FormatInt(ceilSeconds(r.next), 10)}
	if r.allowed {
		header["Content-Type"] = typeJSON
		b = append(b, '{')
	} else {
		status = http.StatusTooManyRequests
		header["Content-Type"] = typeProblem
		header["Retry-After"] = []string{strconv.FormatInt(ceilSeconds(r.retry), 10)}
		b = append(b, problem...)
		b = strconv.AppendQuote(b, l.name)
		b = append(b, "],"...)
	}
	b = append(b, `"allowed":`...)
	b = strconv.AppendBool(b, r.allowed)
	b = append(b, `,"key":`...)
	b = strconv.AppendQuote(b, key)
	b = append(b, `,"limit":`...)
	b = strconv.AppendQuote(b, l.name)
	b = appendNumber(b, `,"tokens":`, tokens)
	b = appendNumber(b, `,"remaining":`, r.remaining)
	b = appendNumber(b, `,"owed":0,"burst":`, l.burst)
	b = appendNumber(b, `,"retry_after_ms":`, r.retry.Milliseconds())
	b = appendNumber(b, `,"reset_after_ms":`, r.reset.Milliseconds())
	b = append(b, "}\n"...)
	header["Content-Length"] = []string{strconv.Itoa(len(b))}
	w.WriteHeader(status)
	w.Write(b)
	*body = b
	s.bodies.Put(body)
}

func appendNumber(b []byte, name string, value int64) []byte {
	return strconv.AppendInt(append(b, name...), value, 10)
}

const problem = `{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded",` +
	`"title":"Too Many Requests","status":429,"violated-policies":[`

var (
	noStore     = []string{"no-store"}
	typeJSON    = []string{"application/json"}
	typeProblem = []string{"application/problem+json"}
)

// limitFlags collects -limit NAME:BURST:RATE:PERIOD.
type limitFlags map[string]*limit

func (f limitFlags) String() string { return "" }

func (f limitFlags) Set(text string) error {
	parts := strings.Split(text, ":")
	if len(parts) != 4 {
		return fmt.Errorf("a limit is NAME:BURST:RATE:PERIOD, such as api:100:50:1s")
	}
	burst, errBurst := strconv.ParseInt(parts[1], 10, 64)
	rate, errRate := strconv.ParseInt(parts[2], 10, 64)
	period, errPeriod := time.ParseDuration(parts[3])
	if errBurst != nil || errRate != nil || errPeriod != nil || burst < 1 || rate < 1 || period <= 0 {
		return fmt.Errorf("burst, rate and period of %q have to be above 0", parts[0])
	}
	f[parts[0]] = newLimit(parts[0], burst, rate, period)
	return nil
}

func main() {
	limits := limitFlags{}
	listen := flag.String("listen", "127.0.0.1:10429", "where to listen")
	flag.Var(limits, "limit", "NAME:BURST:RATE:PERIOD, one named default")
	flag.Parse()
	if limits["default"] == nil {
		log.Fatal("golimit: there has to be a limit named default")
	}
	commands := make(chan command)
	go (&state{buckets: map[bucketID]*bucket{}}).run(commands)
	s := &server{limits: limits, commands: commands}
	s.replies.New = func() any { return make(chan reply, 1) }
	s.bodies.New = func() any { b := make([]byte, 0, 512); return &b }
	log.Fatal(http.ListenAndServe(*listen, s))
}
