// ask URL: asks with go-retryablehttp, as it comes. Prints a line of JSON: what its user is given.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/hashicorp/go-retryablehttp"
)

func main() {
	client := retryablehttp.NewClient()
	client.Logger = nil
	res, err := client.Get(os.Args[1])
	said := map[string]any{}
	if err != nil {
		said["error"] = err.Error()
	} else {
		var body any
		json.NewDecoder(res.Body).Decode(&body)
		said["status"], said["body"] = res.StatusCode, body
	}
	line, _ := json.Marshal(said)
	fmt.Println(string(line))
}
