// os/signal. A channel of 1 for pingpong, as its documentation recommends where one signal is listened to.
// What finds no room in a channel is dropped, so storm has a larger one.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const counted, end = syscall.Signal(40), syscall.SIGUSR2

func say(text string) {
	if _, err := syscall.Write(1, []byte(text)); err != nil {
		os.Exit(1)
	}
}

func pingpong() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	say("R")
	for range signals {
		say("s")
	}
}

func storm() {
	received := 0
	signals := make(chan os.Signal, 65536)
	signal.Notify(signals, counted, end)
	say("R")
	for <-signals == counted {
		received++
	}
	// Stop waits for what the runtime still holds. Without another channel it restores the default actions.
	signal.Notify(make(chan os.Signal, 1), counted, end)
	signal.Stop(signals)
	close(signals)
	for caught := range signals {
		if caught == counted {
			received++
		}
	}
	say(fmt.Sprintf("received=%d disorder=- duplicates=-\n", received))
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "go" && os.Args[2] == "pingpong" {
		pingpong()
	} else if len(os.Args) == 3 && os.Args[1] == "go" && os.Args[2] == "storm" {
		storm()
	} else {
		fmt.Fprintf(os.Stderr, "usage: %s go pingpong|storm\n", os.Args[0])
		os.Exit(2)
	}
}
