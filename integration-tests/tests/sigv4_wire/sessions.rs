//! Temporary credentials: a token goes with one key, of one Narthex, for a while.

use std::time::Duration;

use anyhow::{Context, ensure};
use narthex_integration_tests::{
    aws::{Api, Signer, element},
    issuer::Issuer,
    sandbox::{long, scenario},
};

use super::{ACCOUNT, is_refused, session, signer, start};

#[test]
fn a_session_s_token_opens_nothing_but_what_it_was_made_for() {
    scenario(async |sandbox| {
        let issuer = Issuer::start().await?;
        let narthex = start(sandbox, &issuer, "data").await?;
        let good = session(sandbox, &narthex, &issuer).await?;
        let reply = good.get(&narthex.base, "query", &[("query", "up")]).await?;
        ensure!(reply.status == 200, "{reply}");
        let who = good.sts(&narthex.base, &[("Action", "GetCallerIdentity")]).await?;
        let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/everything/tester");
        ensure!(element(&who, "Arn") == Some(arn), "{who}");

        let elsewhere = start(sandbox, &issuer, "elsewhere").await?;
        let foreign = session(sandbox, &elsewhere, &issuer).await?;
        let another = session(sandbox, &narthex, &issuer).await?;
        let with = |change: &dyn Fn(&mut Signer)| {
            let mut signer = signer(&good)?.clone();
            change(&mut signer);
            anyhow::Ok(Api { signer: Some(signer), ..good.clone() })
        };
        let token =
            |api: &Api| Ok::<_, anyhow::Error>(signer(api)?.session_token.clone().unwrap_or_default());
        let (own, others) = (token(&good)?, token(&another)?);
        let mut changed = own.clone().into_bytes();
        let middle = changed.len() / 2;
        changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed)?;
        let cases = [
            ("of another Narthex", foreign),
            ("no token", with(&|signer| signer.session_token = None)?),
            ("another's token", with(&|signer| signer.session_token = Some(others.clone()))?),
            (
                "a token with one letter changed",
                with(&|signer| signer.session_token = Some(changed.clone()))?,
            ),
            ("nonsense", with(&|signer| signer.session_token = Some("nonsense".to_owned()))?),
        ];
        for (what, stranger) in cases {
            is_refused(&narthex, &stranger, "UnrecognizedClientException", "unknown access key or session")
                .await
                .context(what)?;
        }
        let wrong = with(&|signer| signer.secret_access_key.push('x'))?;
        is_refused(&narthex, &wrong, "InvalidSignatureException", "does not match").await?;
        if long() {
            sandbox.clock.sleep(Duration::from_secs(901)).await;
            is_refused(&narthex, &good, "ExpiredTokenException", "is expired").await?;
        }
        Ok(())
    });
}
