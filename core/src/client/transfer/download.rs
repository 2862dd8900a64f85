//! A file from its relay: from where the part on the disk stands.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use http_body_util::BodyExt as _;
use hyper::{
    Method, Response, StatusCode,
    body::{Bytes, Incoming},
    header::RANGE,
};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::{
    Progress, Tools, blocking, disk,
    http::{Http, broken, empty, length, refusal},
    look,
};
use crate::{
    engine::{Blob, BlobFailure, BlobReport, Target},
    protocol::attachment::{CHUNK, HEADER_LEN, Layout, OpenError, Opening},
};

/// Pieces from the network that wait for the disk.
const AHEAD: usize = 8;

/// The largest that is fetched into memory.
const MAX_IN_MEMORY: u64 = 64 << 20;

/// What the content is written to.
enum Sink {
    Part { file: File, path: PathBuf },
    Memory(Zeroizing<Vec<u8>>),
}

/// Fetches a file.
pub(super) async fn run(
    blob: Blob,
    target: Target,
    tools: &Arc<Tools>,
    progress: &Progress,
) -> Result<BlobReport, BlobFailure> {
    let mut outcome = fetch(&blob, &target, tools, progress).await;
    if let Err((BlobFailure::NotAuthentic, kept)) = outcome {
        discard(&blob, &target, tools).await?;
        // What was kept from before may have been changed on the disk: once more, from the beginning.
        if kept {
            outcome = fetch(&blob, &target, tools, progress).await;
            if let Err((BlobFailure::NotAuthentic, _)) = outcome {
                discard(&blob, &target, tools).await?;
            }
        }
    }
    outcome.map_err(|(failure, _)| failure)
}

/// Nothing is left of what is not the file.
async fn discard(blob: &Blob, target: &Target, tools: &Arc<Tools>) -> Result<(), BlobFailure> {
    let (id, target, downloads) = (blob.id, target.clone(), tools.downloads.clone());
    blocking(move || {
        disk::discard(&id, &target, &downloads);
        Ok(())
    })
    .await
}

/// Fetches it. A failure says whether something was kept from an attempt before.
async fn fetch(
    blob: &Blob,
    target: &Target,
    tools: &Arc<Tools>,
    progress: &Progress,
) -> Result<BlobReport, (BlobFailure, bool)> {
    let fresh = |failure: BlobFailure| (failure, false);
    let layout = Layout::of(blob.digest.size).map_err(|_| fresh(BlobFailure::TooLarge))?;
    let mut http = Http::connect(&blob.relay, &tools.roots).await.map_err(fresh)?;
    let header = header(&mut http, blob, &layout).await.map_err(fresh)?;
    // FIL-2: before anything else is asked for.
    let opening = Opening::new(&blob.key, &blob.digest, &header).map_err(|error| fresh(not_opened(error)))?;

    let (id, to, downloads) = (blob.id, target.clone(), tools.downloads.clone());
    let (opening, sink) = blocking(move || prepare(opening, &id, &to, &downloads)).await.map_err(fresh)?;
    let kept = opening.next() > 0;
    let with = |failure: BlobFailure| (failure, kept);
    let from = layout.in_blob(opening.next()).start;
    progress.set(from.min(blob.digest.size));

    let (pieces, incoming) = mpsc::channel(AHEAD);
    let (size, told) = (blob.digest.size, progress.clone());
    let (to, downloads) = (target.clone(), tools.downloads.clone());
    let writing =
        tokio::spawn(blocking(move || write(opening, sink, incoming, size, &told, &to, &downloads)));
    let received = match from < layout.blob_len() {
        true => receive(&mut http, blob, from, layout.blob_len(), pieces).await,
        false => {
            drop(pieces);
            Ok(())
        }
    };
    // What the writer says comes first: that bytes are wrong is why no more of them were taken.
    match (writing.await, received) {
        (Ok(Err(failure)), Ok(())) => Err(with(failure)),
        (Ok(Err(failure)), Err(_)) if failure != interrupted() => Err(with(failure)),
        (_, Err(failure)) => Err(with(failure)),
        (Ok(Ok(report)), Ok(())) => Ok(report),
        (Err(_), Ok(())) => Err(with(interrupted())),
    }
}

/// The first bytes of a blob.
async fn header(http: &mut Http, blob: &Blob, layout: &Layout) -> Result<[u8; HEADER_LEN], BlobFailure> {
    let wanted = HEADER_LEN as u64;
    let mut body = get(http, blob, 0, wanted.min(layout.blob_len())).await?.into_body();
    let mut header = Vec::with_capacity(HEADER_LEN);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        header.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if header.len() > HEADER_LEN {
            break;
        }
    }
    header.try_into().map_err(|_| BlobFailure::NotAuthentic)
}

/// Asks for a range of a blob, its end excluded.
async fn get(http: &mut Http, blob: &Blob, from: u64, to: u64) -> Result<Response<Incoming>, BlobFailure> {
    let range = format!("bytes={from}-{}", to.saturating_sub(1));
    let response = http.ask(Method::GET, &blob.id, "", &[(RANGE.as_str(), range)], empty()).await?;
    match response.status() {
        // The length follows from the size, so one that is shorter is another.
        StatusCode::PARTIAL_CONTENT if length(&response) == Some(to - from) => Ok(response),
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => Err(BlobFailure::NotAuthentic),
        _ => Err(refusal(&response)),
    }
}

/// Hands on what comes.
async fn receive(
    http: &mut Http,
    blob: &Blob,
    from: u64,
    to: u64,
    pieces: mpsc::Sender<Bytes>,
) -> Result<(), BlobFailure> {
    let mut body = get(http, blob, from, to).await?.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        if let Ok(data) = frame.into_data()
            && pieces.send(data).await.is_err()
        {
            // The writer has ended, and says why.
            return Ok(());
        }
    }
    Ok(())
}

/// Takes what an earlier attempt has left.
fn prepare(
    mut opening: Opening,
    id: &wheesht_proto::ids::BlobId,
    target: &Target,
    downloads: &Path,
) -> Result<(Opening, Sink), BlobFailure> {
    let layout = opening.layout();
    let Target::Directory { directory, name } = target else {
        let size = layout.in_content(layout.chunks().saturating_sub(1)).end;
        if size > MAX_IN_MEMORY {
            return Err(BlobFailure::TooLarge);
        }
        return Ok((opening, Sink::Memory(Zeroizing::new(Vec::new()))));
    };
    let directory = disk::directory(directory.as_deref(), downloads);
    disk::make(&directory).map_err(|error| unwritable(&directory, &error))?;
    let path = disk::part(id, &directory, name);
    let mut file = disk::open_part(&path).map_err(|error| unwritable(&path, &error))?;
    let kept = keep(&mut file, &mut opening).map_err(|error| unwritable(&path, &error))?;
    file.set_len(kept).map_err(|error| unwritable(&path, &error))?;
    file.seek(SeekFrom::Start(kept)).map_err(|error| unwritable(&path, &error))?;
    Ok((opening, Sink::Part { file, path }))
}

/// Takes whole chunks from a part. Gives how many bytes they are.
fn keep(file: &mut File, opening: &mut Opening) -> io::Result<u64> {
    let (layout, length) = (opening.layout(), file.metadata()?.len());
    let mut chunk = Zeroizing::new(Vec::with_capacity(CHUNK));
    let mut kept = 0;
    while opening.next() < layout.chunks() {
        let within = layout.in_content(opening.next());
        // Chunks of padding alone leave nothing on the disk: they are fetched again.
        if within.is_empty() || within.end > length {
            break;
        }
        chunk.clear();
        (&*file).take(within.end - within.start).read_to_end(&mut chunk)?;
        if opening.skip(&chunk).is_err() {
            break;
        }
        kept = within.end;
    }
    Ok(kept)
}

/// Opens and writes what comes, to the end, and only then gives the file its name.
// FIL-6
fn write(
    mut opening: Opening,
    mut sink: Sink,
    mut incoming: mpsc::Receiver<Bytes>,
    size: u64,
    progress: &Progress,
    target: &Target,
    downloads: &Path,
) -> Result<BlobReport, BlobFailure> {
    let outcome = open_all(&mut opening, &mut sink, &mut incoming, size, progress);
    let outcome = outcome.and_then(|()| opening.finish().map_err(not_opened));
    match (outcome, sink) {
        (Err(failure), Sink::Part { file, path }) => {
            drop(file);
            if matches!(failure, BlobFailure::NotAuthentic | BlobFailure::Newer) {
                // If it can't be removed, the next attempt finds out that it is wrong.
                let _ = std::fs::remove_file(path);
            }
            Err(failure)
        }
        (Err(failure), Sink::Memory(_)) => Err(failure),
        (Ok(()), Sink::Memory(bytes)) => Ok(BlobReport::Fetched(bytes)),
        (Ok(()), Sink::Part { mut file, path: part }) => {
            let Target::Directory { directory, name } = target else { return Err(interrupted()) };
            let directory = disk::directory(directory.as_deref(), downloads);
            let media_type = look::type_of_file(&mut file);
            file.sync_all().map_err(|error| unwritable(&part, &error))?;
            drop(file);
            let path =
                disk::settle(&part, &directory, name).map_err(|error| unwritable(&directory, &error))?;
            Ok(BlobReport::Saved { path: path.to_string_lossy().into_owned(), media_type })
        }
    }
}

fn open_all(
    opening: &mut Opening,
    sink: &mut Sink,
    incoming: &mut mpsc::Receiver<Bytes>,
    size: u64,
    progress: &Progress,
) -> Result<(), BlobFailure> {
    let layout = opening.layout();
    let mut sealed = Vec::with_capacity(CHUNK + 64 * 1024);
    while opening.next() < layout.chunks() {
        let within = layout.in_blob(opening.next());
        let wanted = usize::try_from(within.end - within.start).unwrap_or(usize::MAX);
        while sealed.len() < wanted {
            let piece = incoming.blocking_recv().ok_or_else(interrupted)?;
            sealed.extend_from_slice(&piece);
        }
        let rest = sealed.split_off(wanted);
        let content = opening.open(&sealed).map_err(not_opened)?;
        sealed = rest;
        match sink {
            Sink::Part { file, path } => {
                file.write_all(&content).map_err(|error| unwritable(path, &error))?;
            }
            Sink::Memory(bytes) => bytes.extend_from_slice(&content),
        }
        progress.set(within.end.min(size));
    }
    Ok(())
}

fn not_opened(error: OpenError) -> BlobFailure {
    match error {
        OpenError::TooLarge => BlobFailure::TooLarge,
        OpenError::Unknown { .. } => BlobFailure::Newer,
        OpenError::NotAuthentic => BlobFailure::NotAuthentic,
    }
}

fn interrupted() -> BlobFailure {
    BlobFailure::Network("the connection to the relay broke".to_owned())
}

fn unwritable(path: &Path, error: &io::Error) -> BlobFailure {
    let path = path.display();
    BlobFailure::Disk(match error.kind() {
        io::ErrorKind::PermissionDenied => format!("you may not write to {path}"),
        io::ErrorKind::StorageFull => format!("the disk of {path} is full"),
        _ => format!("{path} can't be written: {error}"),
    })
}
