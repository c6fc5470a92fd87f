// snippet.hide
// Names of signals.
import SignalBridge

// snippet.show
print(SignalNumber.sigterm.name)  // SIGTERM
print(SignalNumber(name: "hup") == .sighup)  // true
print(SignalNumber.realtime(2).description)  // SIGRTMIN+2
