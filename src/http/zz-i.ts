import { inspectJson } from "./inspect-json.ts";
const small = JSON.stringify({from:"acc_01KAAAAAAAAAAAAAAAAAAAAAAA",to:"acc_01KAAAAAAAAAAAAAAAAAAAAAAB",amount:1250,currency:"EUR",reference:"invoice 4711",metadata:{channel:"web"}});
const big = JSON.stringify({items: Array.from({length:1000},(_, i)=>({from:"acc_01KAAAAAAAAAAAAAAAAAAAAAAA",to:"acc_01KAAAAAAAAAAAAAAAAAAAAAAB",amount:1250+i,currency:"EUR",reference:"invoice "+i}))});
const bigUtf = big.replaceAll("invoice","fäktura€");
const esc = big.replace("invoice","in\\\\nvoice");
for (let r=0;r<5;r++) for (const [n,t,k] of [["small",small,100000],["big",big,200],["utf16",bigUtf,100],["esc",esc,200]] as const) { const b = Buffer.from(t); const x=b.toString(); let m=1e18; for (let q=0;q<5;q++){ let t0=performance.now(); for(let i=0;i<k;i++) inspectJson(x); m=Math.min(m,performance.now()-t0);} const a=m; let p=1e18; for (let q=0;q<5;q++) {let t0=performance.now(); for(let i=0;i<k;i++) JSON.parse(t); p=Math.min(p,performance.now()-t0);} if(r==4) console.log(n, b.length, 'B inspect', ((a)/k*1e6).toFixed(0),'ns', ((a)/k*1e6/b.length).toFixed(2),'ns/B; parse', (p/k*1e6/b.length).toFixed(2)); }
