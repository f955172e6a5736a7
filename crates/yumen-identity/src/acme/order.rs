//! One order, from its names to the signed chain (RFC 8555 section 7.4), begun or taken up again.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, ChallengeStatus, ChallengeType, Identifier, NewOrder, Order,
    OrderStatus,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, RsaKeySize};
use tokio::time::{Instant, sleep};

use super::patience::{name_of, refusal};
use super::{Acme, KeyKind, Way, Wish, certificate_id, usable};
use crate::certificate::Certificate;
use crate::challenge::{Kind, Proof};
use crate::error::{Error, Part, Refusal};
use crate::store::StoredOrder;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// One authorization that is still to be proved.
struct Task<'a> {
    way: &'a Way,
    proof: Proof,
}

impl Acme {
    /// Orders a certificate; `present` is the one that it replaces. The caller holds the lock.
    pub(super) async fn order(&self, wish: &Wish, present: Option<&Certificate>) -> Result<Certificate, Error> {
        match self.order_once(wish, present).await {
            Err(error) if error.is("accountDoesNotExist") => {
                self.store.forget_order(&wish.label)?;
                self.replace_account().await?;
                self.order_once(wish, present).await
            }
            ended => ended,
        }
    }

    async fn order_once(&self, wish: &Wish, present: Option<&Certificate>) -> Result<Certificate, Error> {
        let account = self.account().await?;
        let (mut order, key) = match self.resume(&account, wish).await? {
            Some(begun) => begun,
            None => self.begin(&account, wish, present).await?,
        };
        let ended = self.drive(&mut order, wish, &key).await;
        // One that the CA gave up cannot be taken up again, and neither can one whose certificate it does not give out.
        // Every other one can.
        let is_over = match (&ended, order.state().status) {
            (Err(_), OrderStatus::Invalid) => true,
            (Err(Error::Refused { refusal, .. }), OrderStatus::Valid) => {
                refusal.status.is_none_or(|status| status < 429)
            }
            _ => false,
        };
        if is_over {
            self.store.forget_order(&wish.label)?;
        }
        ended
    }

    /// The order that was begun for the same wish, when the CA still knows it.
    async fn resume(&self, account: &Account, wish: &Wish) -> Result<Option<(Order, KeyPair)>, Error> {
        let Some(stored) = usable(self.store.order(&wish.label))? else { return Ok(None) };
        let is_same = stored.directory == self.authority.directory && stored.names == wish.names;
        let key = KeyPair::from_pem(&stored.key).ok().filter(|_| is_same);
        let Some(key) = key else {
            self.store.forget_order(&wish.label)?;
            return Ok(None);
        };
        let mut tries = self.tries("the order that was begun");
        let order = loop {
            let error = match account.order(stored.url.clone()).await {
                Ok(order) => break Some(order),
                Err(error) => error,
            };
            match tries.again(error).await {
                Ok(()) => {}
                // It expired, or belongs to an account that is no more.
                Err(Error::Refused { refusal, .. }) if refusal.kind != "rateLimited" => break None,
                Err(error) => return Err(error),
            }
        };
        if let Some(mut order) = order
            && order.state().status != OrderStatus::Invalid
        {
            tracing::info!("taking up the order for `{}` again", wish.label);
            return Ok(Some((order, key)));
        }
        self.store.forget_order(&wish.label)?;
        Ok(None)
    }

    async fn begin(
        &self,
        account: &Account,
        wish: &Wish,
        present: Option<&Certificate>,
    ) -> Result<(Order, KeyPair), Error> {
        let key = generate(wish.key).map_err(|error| Error::Wish(format!("no key can be made: {error}")))?;
        let identifiers: Vec<Identifier> = wish.names.iter().map(|name| Identifier::Dns(name.clone())).collect();
        let what = format!("an order for {}", wish.names.join(", "));
        let mut replaces = present
            .filter(|present| present.facts().names.iter().any(|name| wish.names.contains(name)))
            .and_then(|present| certificate_id(present.facts()));
        let mut tries = self.tries(&what);
        let order = loop {
            let mut new = NewOrder::new(&identifiers);
            if let Some(profile) = &self.authority.profile {
                new = new.profile(profile);
            }
            let is_replacement = replaces.is_some();
            if let Some(id) = replaces.take() {
                new = new.replaces(id);
            }
            match account.new_order(&new).await {
                Ok(order) => break order,
                // That it replaces one is a courtesy (RFC 9773 section 5). Where the CA does not take it, it is left out.
                Err(error) if is_replacement => tracing::debug!("ordering without `replaces`: {error}"),
                Err(error) => tries.again(error).await?,
            }
        };
        let stored = StoredOrder {
            directory: self.authority.directory.clone(),
            url: order.url().to_owned(),
            names: wish.names.clone(),
            key: key.serialize_pem(),
        };
        self.store.keep_order(&wish.label, &stored)?;
        Ok((order, key))
    }

    async fn drive(&self, order: &mut Order, wish: &Wish, key: &KeyPair) -> Result<Certificate, Error> {
        if order.state().status == OrderStatus::Pending {
            self.authorize(order, wish).await?;
        }
        if order.state().status == OrderStatus::Ready {
            self.finalize(order, wish, key).await?;
        }
        self.poll(order, OrderStatus::Processing).await?;
        if order.state().status != OrderStatus::Valid {
            return Err(self.failure(order, wish).await);
        }
        let chain = self.chain(order).await?;
        Certificate::new(&chain, &key.serialize_pem()).map_err(|reason| Error::Refused {
            directory: self.authority.directory.clone(),
            what: format!("a certificate for {}", wish.names.join(", ")),
            refusal: Box::new(Refusal { kind: "unusable".to_owned(), detail: reason, ..Refusal::default() }),
            retry_after: None,
        })
    }

    async fn authorize(&self, order: &mut Order, wish: &Wish) -> Result<(), Error> {
        let tasks = self.tasks(order).await?;
        let mut ended = Ok(());
        let mut groups: Vec<(&Way, Vec<Proof>)> = Vec::new();
        for task in &tasks {
            match groups.iter_mut().find(|(way, _)| std::ptr::eq(*way, task.way)) {
                Some((_, proofs)) => proofs.push(task.proof.clone()),
                None => groups.push((task.way, vec![task.proof.clone()])),
            }
        }
        for (way, proofs) in &groups {
            if ended.is_ok() {
                ended = way.responder.show(&wish.label, proofs).await;
            }
        }
        if ended.is_ok() {
            ended = self.prove(order, &tasks).await;
        }
        for (way, _) in &groups {
            way.responder.hide(&wish.label).await;
        }
        match ended {
            Ok(()) if order.state().status == OrderStatus::Invalid => Err(self.failure(order, wish).await),
            ended => ended,
        }
    }

    /// What is still to be proved, and how.
    async fn tasks(&self, order: &mut Order) -> Result<Vec<Task<'_>>, Error> {
        let mut tries = self.tries("the authorizations");
        // Those that were read once are not read again, so starting over costs nothing.
        'all: loop {
            let mut tasks = Vec::new();
            let mut authorizations = order.authorizations();
            while let Some(next) = authorizations.next().await {
                match next {
                    Ok(authorization) if authorization.status == AuthorizationStatus::Valid => {}
                    Ok(mut authorization) => tasks.push(self.task(&mut authorization)?),
                    Err(error) => {
                        tries.again(error).await?;
                        continue 'all;
                    }
                }
            }
            return Ok(tasks);
        }
    }

    fn task<'h>(&self, authorization: &'h mut AuthorizationHandle<'h>) -> Result<Task<'_>, Error> {
        let (name, wildcard) = (name_of(authorization.identifier().identifier.clone()), authorization.wildcard);
        let offered: Vec<ChallengeType> = authorization.challenges.iter().map(|it| it.r#type.clone()).collect();
        let way = self.ways.iter().filter(|way| way.is_for(&name)).find(|way| {
            let kind = way.responder.kind();
            offered.contains(&kind_of(kind)) && (!wildcard || kind.takes_wildcards())
        });
        let star = if wildcard { "*." } else { "" };
        let none = || {
            let offered: Vec<&str> =
                KINDS.iter().filter(|(_, it)| offered.contains(it)).map(|(k, _)| k.as_str()).collect();
            let here: Vec<&str> =
                self.ways.iter().filter(|way| way.is_for(&name)).map(|way| way.responder.kind().as_str()).collect();
            Error::Wish(format!(
                "`{star}{name}` cannot be proved: {} offers {} for it, and here is {}",
                self.authority.directory,
                or_nothing(&offered),
                or_nothing(&here)
            ))
        };
        let way = way.ok_or_else(none)?;
        let challenge = authorization.challenge(kind_of(way.responder.kind())).ok_or_else(none)?;
        let authorization = challenge.key_authorization();
        let digest = authorization.digest().as_ref().try_into();
        let digest = digest.map_err(|_| self.broken("the challenge", "its digest is not one of SHA-256"))?;
        let proof = Proof {
            name,
            token: challenge.token.clone(),
            authorization: authorization.as_str().to_owned(),
            digest,
            text: authorization.dns_value(),
        };
        Ok(Task { way, proof })
    }

    /// Tells the CA that it may look, and waits for what it says.
    async fn prove(&self, order: &mut Order, tasks: &[Task<'_>]) -> Result<(), Error> {
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut authorization = next.map_err(|error| self.refused("the authorizations", error))?;
            // Each challenge has a token of its own, so it says which authorization a task is for.
            let task = tasks.iter().find(|task| authorization.challenges.iter().any(|it| it.token == task.proof.token));
            let Some(task) = task else { continue };
            let what = format!("the challenge for {}", task.proof.name);
            let Some(mut challenge) = authorization.challenge(kind_of(task.way.responder.kind())) else { continue };
            // One that was told before the order broke off must not be told again.
            if challenge.status != ChallengeStatus::Pending {
                continue;
            }
            let mut tries = self.tries(&what);
            while let Err(error) = challenge.set_ready().await {
                if let Err(error) = tries.again(error).await {
                    // A CA may judge while it answers; what it says of the authorization counts.
                    tracing::debug!("{error}");
                    break;
                }
            }
        }
        self.poll(order, OrderStatus::Pending).await
    }

    async fn finalize(&self, order: &mut Order, wish: &Wish, key: &KeyPair) -> Result<(), Error> {
        let request = request(&wish.names, key)
            .map_err(|error| Error::Wish(format!("no request for `{}` can be made: {error}", wish.label)))?;
        let what = format!("to sign for {}", wish.names.join(", "));
        let mut tries = self.tries(&what);
        while let Err(error) = order.finalize_csr(&request).await {
            let Err(error) = tries.again(error).await else { continue };
            // A request that got lost on its way back was taken all the same.
            self.refresh(order).await?;
            match order.state().status {
                OrderStatus::Processing | OrderStatus::Valid => break,
                _ => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until the order is no longer in this state.
    async fn poll(&self, order: &mut Order, state: OrderStatus) -> Result<(), Error> {
        let end = Instant::now() + self.authority.patience.order;
        let mut pause = FIRST_PAUSE;
        // Nobody is done at once, so there is a pause before the first look, too.
        while order.state().status == state {
            let told = self.wire.told().unwrap_or_default().min(self.authority.patience.told);
            let next = pause.max(told);
            if Instant::now() + next > end {
                return Err(self.broken("the order", "it does not come to an end"));
            }
            sleep(next).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            self.refresh(order).await?;
        }
        Ok(())
    }

    pub(super) async fn refresh(&self, order: &mut Order) -> Result<(), Error> {
        let mut tries = self.tries("the order");
        loop {
            match order.refresh().await {
                Ok(_) => return Ok(()),
                Err(error) => tries.again(error).await?,
            }
        }
    }

    /// Why an order failed: what the CA says of each name.
    async fn failure(&self, order: &mut Order, wish: &Wish) -> Error {
        let mut whole = order.state().error.as_ref().map(refusal).unwrap_or_default();
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            // Without news the state from before is used.
            if let Err(error) = authorization.refresh().await {
                tracing::debug!("an authorization cannot be read again: {error}");
            }
            let identifier = authorization.identifier().to_string();
            let errors = authorization.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
            whole.parts.extend(errors.map(|error| {
                let Refusal { kind, detail, .. } = refusal(error);
                Part { identifier: identifier.clone(), kind, detail }
            }));
        }
        if whole.kind.is_empty() {
            whole.kind = whole.parts.first().map_or_else(|| "invalid".to_owned(), |part| part.kind.clone());
            whole.detail = "the order is invalid".to_owned();
        }
        Error::Refused {
            directory: self.authority.directory.clone(),
            what: format!("the order for {}", wish.names.join(", ")),
            refusal: Box::new(whole),
            retry_after: None,
        }
    }

    pub(super) fn broken(&self, what: &str, reason: &str) -> Error {
        Error::Unreachable {
            directory: self.authority.directory.clone(),
            what: what.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

const KINDS: [(Kind, ChallengeType); 3] = [
    (Kind::Http01, ChallengeType::Http01),
    (Kind::Dns01, ChallengeType::Dns01),
    (Kind::TlsAlpn01, ChallengeType::TlsAlpn01),
];

fn kind_of(kind: Kind) -> ChallengeType {
    match kind {
        Kind::Http01 => ChallengeType::Http01,
        Kind::Dns01 => ChallengeType::Dns01,
        Kind::TlsAlpn01 => ChallengeType::TlsAlpn01,
    }
}

fn or_nothing(words: &[&str]) -> String {
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

fn generate(kind: KeyKind) -> Result<KeyPair, rcgen::Error> {
    match kind {
        KeyKind::P256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyKind::P384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        KeyKind::Rsa2048 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
    }
}

fn request(names: &[String], key: &KeyPair) -> Result<Vec<u8>, rcgen::Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    // All names stand in the extension; the subject has nothing to add.
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}
