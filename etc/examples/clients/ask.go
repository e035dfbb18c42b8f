// ask KEY: may KEY go on? Prints "go on", "wait SECONDS" or "never". Goes on while allowd is down.
package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"
)

var client = http.Client{Timeout: 500 * time.Millisecond}

// waitS is 0 to go on, and -1 if waiting does not help.
func waitS(key string) int {
	res, err := client.Get("http://127.0.0.1:10429/allow?key=" + url.QueryEscape(key))
	if err != nil {
		return 0 // allowd is down
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusTooManyRequests {
		return 0
	}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
		return seconds
	}
	return -1
}

func main() {
	switch seconds := waitS(os.Args[1]); {
	case seconds == 0:
		fmt.Println("go on")
	case seconds > 0:
		fmt.Println("wait", seconds)
	default:
		fmt.Println("never")
	}
}
