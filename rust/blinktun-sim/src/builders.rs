//! From a setup to its world.

use blinktun_proto::crypt::CryptKind;
use blinktun_proto::random::Random;
use blinktun_proto::session::{Config, Context, Role, Session};
use blinktun_proto::wire::{SeqId, Sn};

use crate::node::Lone;
use crate::setup::{CLIENT, SERVER, Setup};
use crate::traces;
use crate::world::World;

impl Setup {
    /// A world of two endpoints; the client has dialed.
    pub fn build(&self) -> World {
        let mut client = self.endpoint(Role::Client, 0, self.start);
        let server = self.endpoint(Role::Server, 0, self.start);
        let id = client.dial(SERVER, self.start);
        World::new(self, client, server, (id, None))
    }

    /// A world of two lone sessions, without a crypt layer, whose segments begin at `sn` and whose
    /// FEC packets begin at `seqid`.
    pub fn build_lone(&self, sn: Sn, seqid: SeqId) -> World<Lone> {
        let setup = self.clone().kind(CryptKind::Null);
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 9)).into();
        let lone = |role, config: &Config, peer| {
            let mut random = Random::from_number(setup.seed ^ role as u64);
            let mut session =
                Session::new(config, role, (address, 7), random.next_u32(), setup.start);
            session.start_at(sn, seqid);
            if traces::are_wanted() {
                session.begin_trace(setup.start);
            }
            let mut seed = [0; 32];
            random.fill(&mut seed);
            let cx = Context::new(seed);
            Lone { session, cx, peer }
        };
        let client = lone(Role::Client, &setup.client, SERVER);
        let server = lone(Role::Server, &setup.server, CLIENT);
        World::new(&setup, client, server, (Lone::ID, Some(Lone::ID)))
    }
}
