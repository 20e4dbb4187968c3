import { Suspense } from 'react'
import { createRoot, hydrateRoot } from 'react-dom/client'
import { App, connect, createElement, renders } from './react.ts'

Object.assign(globalThis, { App, connect, createElement, createRoot, hydrateRoot, renders, Suspense })
