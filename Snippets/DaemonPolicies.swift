// snippet.hide
// Which signal does what, and how long each phase may take.
import SignalBridge
import SignalDaemon

// snippet.show
var policy = SignalPolicy.server  // TERM and INT end it, HUP reloads
policy.gracePeriod = .seconds(60)
let own = try SignalPolicy(hardExit: [.sigquit], graceful: [.sigterm, .sigint], reload: [.sighup, .sigusr1])
// snippet.hide
precondition(own.gracePeriod == .seconds(20) && policy.graceful == [.sigterm, .sigint])
