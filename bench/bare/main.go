// The bare client: as fast as anybody can send what a sync has to send. It reads requests, sends them over 16
// connections, and says how long that took. It plans nothing, checks nothing and remembers nothing.
//
//	bare URL TOKEN CA apply FILE    one server-side apply per line, "PATH<TAB>JSON"
//	bare URL TOKEN CA twice FILE    the same, after a dry-run of every line
//	bare URL TOKEN CA list PATH     one LIST, in pages of 1000
//	bare URL TOKEN CA ready PATH N  watch until N Deployments are available
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const inFlight = 16

var url, token string
var client *http.Client

func main() {
	url, token = os.Args[1], os.Args[2]
	pem, err := os.ReadFile(os.Args[3])
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client = &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots},
		MaxIdleConnsPerHost: inFlight,
	}}
	started := time.Now()
	var requests int
	switch os.Args[4] {
	case "apply":
		requests = apply(os.Args[5], "")
	case "twice":
		requests = apply(os.Args[5], "&dryRun=All") + apply(os.Args[5], "")
	case "list":
		requests = list(os.Args[5])
	case "ready":
		wanted, err := strconv.Atoi(os.Args[6])
		must(err)
		requests = ready(os.Args[5], wanted)
	default:
		panic(os.Args[4])
	}
	var used syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	must(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"seconds":  time.Since(started).Seconds(),
		"cpu":      seconds(used.Utime) + seconds(used.Stime),
		"requests": requests,
		"peak":     used.Maxrss * 1024,
	}))
}

func apply(path, query string) int {
	file, err := os.ReadFile(path)
	must(err)
	lines := bytes.Split(bytes.TrimSpace(file), []byte("\n"))
	work := make(chan []byte)
	var done sync.WaitGroup
	for range inFlight {
		done.Go(func() {
			for line := range work {
				place, body, _ := bytes.Cut(line, []byte("\t"))
				target := url + string(place) + "?fieldManager=bare&force=true" + query
				send("PATCH", target, body, "application/apply-patch+yaml")
			}
		})
	}
	for _, line := range lines {
		work <- line
	}
	close(work)
	done.Wait()
	return len(lines)
}

func list(path string) int {
	requests, token := 0, ""
	for {
		body := send("GET", url+path+"?limit=1000&continue="+token, nil, "")
		requests++
		var page struct {
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []json.RawMessage `json:"items"`
		}
		must(json.Unmarshal(body, &page))
		if token = page.Metadata.Continue; token == "" {
			return requests
		}
	}
}

func ready(path string, wanted int) int {
	available := map[string]bool{}
	response := open(context.Background(), "GET", url+path+"?watch=1", nil, "")
	defer response.Body.Close()
	lines := bufio.NewReaderSize(response.Body, 1<<20)
	for len(available) < wanted {
		line, err := lines.ReadBytes('\n')
		must(err)
		var event struct {
			Object struct {
				Metadata struct{ Name, Namespace string }
				Spec     struct{ Replicas int }
				Status   struct{ AvailableReplicas int }
			}
		}
		must(json.Unmarshal(line, &event))
		if event.Object.Spec.Replicas > 0 && event.Object.Status.AvailableReplicas >= event.Object.Spec.Replicas {
			available[event.Object.Metadata.Namespace+"/"+event.Object.Metadata.Name] = true
		}
	}
	return 1
}

func send(method, target string, body []byte, kind string) []byte {
	response := open(context.Background(), method, target, body, kind)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(err)
	return text
}

func open(ctx context.Context, method, target string, body []byte, kind string) *http.Response {
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	must(err)
	request.Header.Set("Authorization", "Bearer "+token)
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	response, err := client.Do(request)
	must(err)
	if response.StatusCode >= 300 {
		text, _ := io.ReadAll(response.Body)
		panic(fmt.Sprintf("%s %s: %d %s", method, target, response.StatusCode, strings.TrimSpace(string(text))))
	}
	return response
}

func seconds(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }

func must(err error) {
	if err != nil {
		panic(err)
	}
}
