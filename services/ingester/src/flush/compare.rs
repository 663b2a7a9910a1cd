//! Which series of a cut two owners do not hold alike.

use narthex_model::Labels;

use super::{FlushError, peer_cut::PeerCut};
use crate::storage::CutView;

/// Series whose digests are made at a time.
const BATCH: usize = 1_024;

/// Labels of the series that the other owner has and this one has not, or has with other samples: what must be fetched so that
/// the union is complete. Ascending. Series that only this owner has need not be fetched. Reads both to their ends.
pub(crate) async fn compare(view: &CutView, peer: &mut PeerCut) -> Result<Vec<Labels>, FlushError> {
    let mut differ = Vec::new();
    for first in (0..view.len()).step_by(BATCH) {
        let places = first..view.len().min(first + BATCH);
        let digests = view.digests(places.clone())?;
        for (labels, own) in places.filter_map(|place| view.label_set(place)).zip(digests) {
            while let Some((theirs, digest)) = peer.peek().await? {
                if theirs > labels {
                    break;
                }
                let (same_series, same_samples) = (theirs == labels, *digest == own);
                let Some((theirs, _)) = peer.next().await? else { break };
                if !(same_series && same_samples) {
                    differ.push(theirs);
                }
                if same_series {
                    break;
                }
            }
        }
    }
    while let Some((theirs, _)) = peer.next().await? {
        differ.push(theirs);
    }
    Ok(differ)
}
