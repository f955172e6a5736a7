//! Certificates that the gateway obtains itself: the whole program, a CA (Pebble) that looks at its listeners, and a name
//! server (Knot) that tells the CA where they are.

mod drills;
mod obtain;
mod renew;
mod stage;
