use camera_packet::codec::*; use camera_packet::message::*; use std::hint::black_box; use std::time::Instant as I;
fn run(name:&str,data:&[u8],chunk:usize,per:usize,cfg:DecoderConfig){
  let mut best=f64::MAX; let mut n=0;
  for _ in 0..7 { let mut d=Decoder::new(cfg); let t=I::now(); n=0u64;
    for c in data.chunks(chunk){ let mut f=d.feed(machine::Instant::default(),c); while let Some(e)=f.next(){ if let Event::Frame(fr)=&e { if let Ok(m)=Message::parse(fr){ black_box(&m);} } n+=1; } }
    let e=t.elapsed().as_nanos() as f64; best=best.min(e/(data.len()/per) as f64);} 
  println!("{name} chunk {chunk}: {best:.2} ns ({n} events)");
}
fn main(){
  let mut v=Vec::new(); for i in 0..100_000u64 { v.extend_from_slice(&Telemetry{value:(i%11) as u8,timestamp_ms:1_700_000_000_000+i*41}.to_frame()); }
  let c=DecoderConfig::new(Bounds::DATA_CLIENT);
  for ch in [1,16,64,1460,65536]{ run("decode/frame",&v,ch,16,c); }
  let mut out=bytes::BytesMut::with_capacity(1<<20); let mut best=f64::MAX;
  for _ in 0..7 { let t=I::now(); for _ in 0..10 { out.clear(); for i in 0..50_000u64 { black_box(Telemetry{value:i as u8,timestamp_ms:i}).encode(&mut out);} black_box(&out);} best=best.min(t.elapsed().as_nanos() as f64/500_000.0);} println!("encode {best:.2} ns");
  let any=DecoderConfig::new(Bounds::ANY);
  let rep=|p:&[u8]| p.iter().copied().cycle().take(1_600_000).collect::<Vec<u8>>();
  for (n,p) in [("zeros",&[0u8][..]),("ff",&[0xff]),("00ff",&[0,0xff]),("p4",&[0,0xff,0,1]),("len1024",&[0,0xff,0,1,4,0]),("len1024b",&[0,0xff,5,1,3,0xfe]),("00 ff 00 01 00 f0",&[0,0xff,0,1,0,0xf0]),("00 ff 01 00 00 40",&[0,0xff,1,0,0,0x40,0])]{
    let d=rep(p); for ch in [1,1460,65536]{ run(&format!("hostile/byte {n}"),&d,ch,1,any);} run(&format!("hostile/byte {n} discard"),&d,1460,1,any.with_resync(Resync::Discard)); run(&format!("hostile/byte {n} unsync"),&d,1460,1,any.unsynced()); }
  let mut x=1u64; let d:Vec<u8>=(0..1_600_000).map(|_|{x^=x<<13;x^=x>>7;x^=x<<17;(x>>32) as u8}).collect(); run("random/byte",&d,1460,1,any);
}
